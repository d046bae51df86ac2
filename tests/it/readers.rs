//! Metrics out of files and lines of any form, as programs write them.

use crate::support::TestEnv;

/// Prints nothing; writes a table that gains a column, as Lightning's `CSVLogger` does.
const TABLE: &str = r#"#!/bin/sh
logs="$AUTOML_RESULTS_DIR/lightning_logs/version_0"
mkdir -p "$logs"
printf 'epoch,train_loss\n0,%s\n' "$1" > "$logs/metrics.csv"
printf 'epoch,train_loss,val_loss\n0,%s,\n0,,%s\n1,,%s\n' "$1" 9 "$1" > "$logs/metrics.csv"
"#;

fn value(env: &TestEnv, field: &str) -> serde_json::Value {
    env.objects("best --json")[0][field].clone()
}

#[test]
fn table_that_gains_columns_is_read() {
    let env = TestEnv::new();
    env.script("table.sh", TABLE);
    let ran = env.automl(
        "run --gpus none --metric val_loss:min --param x=0.5 --trials 1 --log 'lightning_logs/*/metrics.csv' -- ./table.sh {x}",
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(value(&env, "value"), 0.5);
}

#[test]
fn line_patterns_read_what_no_name_announces() {
    let env = TestEnv::new();
    env.script("odd.sh", "#!/bin/sh\necho 'loss=9'\necho \">> [1] $1 <<\"\n");
    let ran = env.automl(
        r"run --gpus none --metric loss:min --param x=0.25 --trials 1 --metric-pattern '^>> .(?<epoch>\d+). (?<value>\S+)' -- ./odd.sh {x}",
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(value(&env, "value"), 0.25);
    let ran = env.run_over("./odd.sh {x}", "--trials 1 --metric-pattern '>> (.*)'");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("gives no value: name a group"), "{}", ran.stderr);
}
