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
