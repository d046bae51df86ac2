//! Secrets on a command line stay out of everything that is kept or shown.

use crate::support::TestEnv;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const MARKER: &str = "swordfish-4711";

/// Prints its arguments and fails, as a traceback does.
const LEAK: &str = "#!/bin/sh\necho \"$@\"\necho \"ValueError: cannot use $3\" >&2\nexit 3\n";

/// Every file below a folder that holds the secret.
fn holders(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            holders(&path, found);
        } else if fs::read(&path).unwrap().windows(MARKER.len()).any(|window| window == MARKER.as_bytes()) {
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o077;
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            found.push(if mode == 0 { format!("{name} (private)") } else { name });
        }
    }
}

/// Logins of URLs, a secret variable of a network's config, and a short secret: none of them is in any file that
/// others may read but the program's own logs, and the program is given all of them.
#[test]
fn logins_of_urls_and_short_secrets_are_kept_nowhere() {
    let env = TestEnv::new();
    let tell = "#!/bin/sh\necho \"$@\"\necho \"ValueError: 403 of $2, of $5, and of https://other:elsewhere-4711@host/x, key=$7\" >&2\nexit 3\n";
    env.script("tell.sh", tell);
    let arguments = format!(
        "--data s3://key:{MARKER}@bucket/{{x}} --more=https://{MARKER}c@host/y,http://a:{MARKER}d@host/z \
         --get https://u:{MARKER}e@host/{{x}}?q --token s3c"
    );
    let program = format!("./tell.sh {arguments}");
    let dry = env.run_over(&program, "--name s --dry-run");
    assert!(dry.stdout.contains("@bucket/") && !dry.stdout.contains(MARKER), "{}", dry.stdout);
    let ran = env.run_over(&program, "--trials 1 --retry 0 --parallel 1 --name s");
    assert!(ran.stderr.contains("AUTOML_SECRET_URL_LOGIN_3"), "{}", ran.stderr);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(MARKER), "{}{}", ran.stdout, ran.stderr);
    let log = fs::read_to_string(env.root().join("s/trials/00001/attempt-1/stdout.log")).unwrap();
    for given in ["s3://key:{}@bucket/", "https://{}c@host/y,http://a:{}d@host/z", "https://u:{}e@host/"] {
        assert!(log.contains(&given.replace("{}", MARKER)), "{given}: {log}");
    }
    let told = env.automl("explain s/1").stdout;
    assert!(told.contains("https://…@host/x") && told.contains("key=…"), "{told}");
    let mut found = Vec::new();
    holders(&env.root(), &mut found);
    let own =
        |name: &String| ["stdout.log", "stderr.log"].contains(&name.as_str()) || name.ends_with("(private)");
    assert!(!found.is_empty() && found.iter().all(own), "only the program's own logs: {found:?}");
    let events = fs::read_to_string(env.root().join("s/events.jsonl")).unwrap();
    assert!(!events.contains("elsewhere-4711") && !events.contains("s3c"), "{events}");

    let missing = env.automl("resume s --trials 2");
    assert!(missing.stderr.contains("AUTOML_SECRET_"), "{}", missing.stderr);
    let refused =
        env.run_over("./tell.sh {x} {place}", &format!("--name t --param place=a|s3://k:{MARKER}@b@a"));
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("a login among its values"), "{}", refused.stderr);
}

#[test]
fn secrets_of_a_networks_config_are_kept_nowhere() {
    let env = TestEnv::new();
    let options = env.toy();
    let config = fs::read_to_string(env.path("toy.config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["launch"]["train"]["environment"] = serde_json::json!({
        "HF_TOKEN": MARKER,
        "TRACKER": format!("http://me:{MARKER}b@host"),
        "OMP_NUM_THREADS": "1",
    });
    fs::write(env.path("toy.config.json"), config.to_string()).unwrap();
    let ran =
        env.automl(&format!("run {options} --algorithm random --trials 1 --set train.num_epochs=1 --name s"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("the variable HF_TOKEN holds a secret"), "{}", ran.stderr);
    let mut found = Vec::new();
    holders(&env.root(), &mut found);
    assert!(!found.is_empty() && found.iter().all(|name| name.ends_with("(private)")), "{found:?}");
}

/// A network that reads its data from where the user says, and fails unless its spec says all of that.
const DATA_NETWORK: &str = r#"{
  "api_params": {"actions": ["train"], "formats": ["raw"], "image": "X", "spec_backend": "json"},
  "data_sources": {"train": {
    "data.images": {"source": "train_datasets", "path": "images"},
    "data.eval": {"source": "eval_dataset", "path": "images"}}},
  "metrics": {"available_metrics": ["loss"], "monitoring_metric": "loss"},
  "launch": {"train": {"command": ["./net.sh", "{spec}"], "logs": [{"stream": "stdout", "format": "text"}]}}
}"#;
const DATA_SCHEMA: &str = r#"{"properties": {"train": {"properties": {
  "url": {"type": "string", "default": ""},
  "lr": {"type": "float", "default": 0.1, "minimum": 0.01, "maximum": 1, "automl_enabled": true}}}}}"#;

/// Logins and signatures in the places of data: the program's own spec has them, and nothing else that is kept.
#[test]
fn secrets_in_places_of_data_are_kept_nowhere() {
    let env = TestEnv::new();
    let (login, signature, set) = (format!("{MARKER}a"), format!("{MARKER}b"), format!("{MARKER}c"));
    fs::write(env.path("net.config.json"), DATA_NETWORK).unwrap();
    fs::write(env.path("net.schema.json"), DATA_SCHEMA).unwrap();
    let given =
        [&login, &signature, &set].map(|secret| format!("grep -q {secret} \"$1\" || exit 9\n")).concat();
    env.script("net.sh", &format!("#!/bin/sh\n{given}echo \"loss: 0.5\"\n"));
    let options = format!(
        "--network net --network-config net.config.json --schema net.schema.json --params train.lr --algorithm random \
         --gpus none --name s --train-dataset s3://key:{login}@bucket/train --eval-dataset az://c/e?sv=1&sig={signature} \
         --set train.url=https://h/x?X-Amz-Signature={set}&x=1"
    );
    for command in ["--dry-run", "--dry-run --json", "--print-config", "--trials 1"] {
        let ran = env.automl(&format!("run {options} {command}"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(MARKER), "{}{}", ran.stdout, ran.stderr);
    }
    let mut found = Vec::new();
    holders(&env.root(), &mut found);
    assert!(!found.is_empty() && found.iter().all(|name| name.ends_with("(private)")), "{found:?}");
    for command in ["status s --json", "best s --json", "explain s/1", "export s --to json"] {
        assert!(!env.automl(command).stdout.contains(MARKER), "{command}");
    }

    assert!(env.automl("resume s --trials 2").stderr.contains("AUTOML_SECRET_TRAIN_URL"));
    let mut again = env.command("resume s --trials 2");
    again.env("AUTOML_SECRET_DATA_IMAGES", format!("s3://key:{login}@bucket/train/images"));
    again.env("AUTOML_SECRET_DATA_EVAL", format!("az://c/e?sig={signature}"));
    again.env("AUTOML_SECRET_TRAIN_URL", format!("https://h/x?X-Amz-Signature={set}"));
    again.output().unwrap();
    let states =
        env.objects("trials s --json").iter().map(|trial| trial["state"].clone()).collect::<Vec<_>>();
    assert_eq!(states, ["complete", "complete"]);
}

#[test]
fn secrets_among_arguments_are_kept_nowhere() {
    let env = TestEnv::new();
    env.script("leak.sh", LEAK);
    let program = format!("./leak.sh {{x}} --api-key {MARKER} WANDB_API_KEY={MARKER}b");
    let dry = env.run_over(&program, "--name s --dry-run");
    assert!(dry.stdout.contains("--api-key") && !dry.stdout.contains(MARKER), "{}", dry.stdout);
    let config = env.run_over(&program, "--name s --print-config");
    assert!(!config.stdout.contains(MARKER), "{}", config.stdout);
    let ran = env.run_over(&program, "--trials 2 --retry 0 --parallel 1 --name s --max-failures 5");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("`api_key` sounds like a secret"), "{}", ran.stderr);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(MARKER), "{}{}", ran.stdout, ran.stderr);
    for command in ["trials s", "trials s --json", "explain s/1", "status s --json", "export s --to json"] {
        let shown = env.automl(command);
        assert_eq!(shown.code, 0, "{command}");
        assert!(!shown.stdout.contains(MARKER), "{command}: {}", shown.stdout);
    }
    assert!(env.automl("explain s/1").stdout.contains("cannot use"), "the reason itself is told");
    let mut found = Vec::new();
    holders(&env.root(), &mut found);
    let own =
        |name: &String| ["stdout.log", "stderr.log"].contains(&name.as_str()) || name.ends_with("(private)");
    assert!(!found.is_empty() && found.iter().all(own), "only the program's own logs: {found:?}");

    let missing = env.automl("resume s --trials 3");
    assert_ne!(missing.code, 0);
    assert!(missing.stderr.contains("AUTOML_SECRET_API_KEY"), "{}", missing.stderr);
    let mut given = env.command("resume s --trials 3");
    given.env("AUTOML_SECRET_API_KEY", MARKER).env("AUTOML_SECRET_WANDB_API_KEY", format!("{MARKER}b"));
    given.output().unwrap();
    assert_eq!(env.objects("trials s --json").len(), 3);
    let log = fs::read_to_string(env.root().join("s/trials/00003/attempt-1/stdout.log")).unwrap();
    assert!(log.contains(&format!("--api-key {MARKER} WANDB_API_KEY={MARKER}b")), "{log}");
}
