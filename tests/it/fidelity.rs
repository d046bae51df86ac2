//! What fidelity counts, and which reading at it is the result.

use super::support::TestEnv;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;

/// Notes how far it was told to go, and from which checkpoint.
const TRAIN: &str = r#"#!/bin/sh
echo "$2 ${3:+resumed}" >> told
echo "$2" > "$AUTOML_RESULTS_DIR/checkpoint"
awk -v x="$1" 'BEGIN { printf "loss: %.9f\n", (x - 0.3) ^ 2 }'
"#;

/// Steps, image sizes and shares of the data are searched over as epochs are.
#[test]
fn anything_that_costs_can_be_the_fidelity() {
    let cases = [
        (
            "--fidelity step --min-fidelity 100 --max-fidelity 900",
            ["100 ", "300 resumed", "900 resumed"],
            "step",
        ),
        (
            "--fidelity image_size --min-fidelity 32 --max-fidelity 288 --resume no",
            ["32 ", "96 ", "288 "],
            "image_size",
        ),
        (
            "--fidelity fraction/100 --min-fidelity 10 --max-fidelity 90",
            ["0.1 ", "0.3 resumed", "0.9 resumed"],
            "fraction",
        ),
    ];
    for (options, expected, unit) in cases {
        let env = TestEnv::new();
        env.script("cost.sh", TRAIN);
        let options = format!("{options} --algorithm successive-halving --trials 9 --parallel 2 --name s");
        let ran = env.run_over("./cost.sh {x} {fidelity} {resume}", &options);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let told = fs::read_to_string(env.path("told")).unwrap();
        assert_eq!(told.lines().collect::<BTreeSet<_>>(), BTreeSet::from(expected), "{options}");
        assert_eq!(told.lines().count(), 9 + 3 + 1, "{options}");
        let best = env.objects("best s --json")[0]["trial"].as_u64().unwrap();
        let explained = env.automl(&format!("explain s/{best}")).stdout;
        assert!(explained.contains(unit), "{explained}");
        assert_eq!(env.automl("replay s").code, 0);
    }
}

/// The last reading counts, or the best one where the study says so.
#[test]
fn best_or_last_reading_is_the_result_as_the_study_says() {
    for (options, expected) in [("", 0.5), ("--reading last", 0.5), ("--reading best", 0.25)] {
        let env = TestEnv::new();
        env.script(
            "turns.sh",
            "#!/bin/sh\nfor loss in 0.75 0.25 0.5; do n=$((n + 1)); echo \"epoch $n loss: $loss\"; done\n",
        );
        let ran = env.run_over(
            "./turns.sh {x} {fidelity}",
            &format!("{options} --algorithm random --max-fidelity 3 --trials 1 --name s"),
        );
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(env.objects("trials s --json")[0]["value"], json!(expected), "{options}");
    }
}

/// Everything that a plan promises to say, for every algorithm.
#[test]
fn plans_say_what_every_algorithm_will_cost() {
    let env = TestEnv::new();
    let program =
        "--param x=0.0..1.0 --metric loss:min --gpus none --parallel 2 -- ./train.sh {x} {fidelity} {resume}";
    for algorithm in [
        "random",
        "bayesian",
        "hyperband",
        "successive-halving",
        "asha",
        "pasha",
        "race",
        "bohb",
        "dehb",
        "pbt",
    ] {
        let options =
            format!("--algorithm {algorithm} --max-fidelity 9 --epoch-time 90s --checkpoint-size 1MiB");
        let plan = &env.objects(&format!("plan {options} --json {program}"))[0];
        let number =
            |name: &str| plan[name].as_f64().unwrap_or_else(|| panic!("{algorithm}: {name} in {plan}"));
        let rungs: Vec<_> = plan["brackets"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|b| b["rungs"].as_array().unwrap())
            .collect();
        assert!(rungs.iter().any(|rung| rung["fidelity"] == 9), "{algorithm}: {plan}");
        let (epochs, slots) = (number("total_fidelity"), 2.0);
        let reached: f64 = rungs.iter().map(|rung| rung["trials"].as_f64().unwrap()).sum();
        assert!(
            number("trials") > 0.0 && number("attempts") >= number("trials") && reached >= number("trials")
        );
        assert!((90.0 * epochs / slots..=90.0 * epochs).contains(&number("time_s")), "{algorithm}: {plan}");
        assert_eq!(number("disk_bytes"), number("trials") * f64::from(1 << 20), "{algorithm}: {plan}");
        let needed = number("checkpoints");
        assert!(needed >= 1.0 && needed <= number("trials"), "{algorithm}: {plan}");
        let words = env.automl(&format!("plan {options} {program}")).stdout;
        for word in ["trials", "epochs", "time", "disk"] {
            assert!(words.contains(word), "{algorithm}: {words}");
        }
    }
}
