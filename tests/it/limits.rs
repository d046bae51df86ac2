//! What a trial and a search may use of the machine.

use crate::support::{TestEnv, wait_until};
use std::fs;

#[test]
fn trials_that_use_too_much_memory_are_infeasible() {
    let env = TestEnv::new();
    env.script(
        "big.sh",
        "#!/bin/sh\necho loss: 0.5\nx=$(head -c 60000000 /dev/zero | tr '\\0' x)\nsleep 20\n",
    );
    let ran = env.run_over("./big.sh {x}", "--trials 1 --trial-memory 40MiB --grace 1s --name s");
    let trials = env.objects("trials s --json");
    assert_eq!((ran.code, trials[0]["state"].as_str()), (1, Some("infeasible")), "{trials:?}");
    assert!(trials[0]["reason"].as_str().unwrap().starts_with("used more memory than its limit"));
}

#[test]
fn trials_whose_results_take_too_much_disk_fail() {
    let env = TestEnv::new();
    env.script("big.sh", "#!/bin/sh\nhead -c 3000000 /dev/zero > \"$1/x\"\nsleep 20\n");
    let ran = env.run_over("./big.sh {results_dir} {x}", "--trials 1 --trial-disk 1MiB --name s");
    let trials = env.objects("trials s --json");
    assert_eq!((ran.code, trials[0]["state"].as_str()), (1, Some("failed")), "{trials:?}");
    let reason = trials[0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("its results took more disk space than their limit"), "{reason}");
}

#[test]
fn what_long_logs_say_counts_though_their_middle_is_dropped() {
    let env = TestEnv::new();
    let cut = "\"$AUTOML_ATTEMPT_DIR/stdout.log.cut\"";
    env.script(
        "long.sh",
        &format!("#!/bin/sh\nseq 1 400000\nwhile [ ! -e {cut} ]; do sleep 0.05; done\necho loss: 0.5\n"),
    );
    let ran = env.run_over("./long.sh {x}", "--trials 1 --trial-log 1MiB --name s");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(env.objects("trials s --json")[0]["value"], 0.5);
    let logs = env.automl("logs 1 --study s");
    assert!(logs.stdout.starts_with("1\n2\n") && logs.stdout.ends_with("\n400000\nloss: 0.5\n"));
    assert!(!logs.stdout.contains('\0'), "the hole is no text");
    assert!(logs.stderr.contains("of this log were dropped to keep it short"), "{}", logs.stderr);
}

#[test]
fn programs_have_so_many_files_open() {
    let env = TestEnv::new();
    env.script("files.sh", "#!/bin/sh\necho loss: $(ulimit -n)\n");
    let ran = env.run_over("./files.sh {x}", "--trials 1 --trial-open-files 77 --name s");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(env.objects("trials s --json")[0]["value"], 77.0);
}

/// With so few files this process could start no trial, and each would have failed.
#[test]
fn nothing_is_begun_where_too_few_files_may_be_open() {
    let env = TestEnv::new();
    env.script("loss.sh", "#!/bin/sh\necho loss: 0.5\n");
    let options = "--metric loss --param x=0.0..1.0 --trials 1 --name s -- ./loss.sh {x}";
    let limited = |files: u32, words: &str| {
        let mut shell = std::process::Command::new("sh");
        let command = env.command(words);
        shell.args(["-c", &format!("ulimit -n {files}; exec \"$@\""), "sh"]).arg(command.get_program());
        shell.args(command.get_args()).current_dir(command.get_current_dir().unwrap());
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.output().unwrap()
    };
    for words in [&format!("run {options}"), "resume s", "serve --stdio"] {
        let refused = limited(63, words);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(3), "{words}: {said}");
        assert!(said.contains("only 63 files may be open") && said.contains("ulimit -n"), "{said}");
    }
    assert!(!env.root().join("s").exists(), "nothing was begun");
    let ran = limited(64, &format!("run {options}"));
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(limited(63, "status s").status.code(), Some(0), "looking needs few");
}

#[test]
fn gpu_time_ends_a_search_and_can_be_raised() {
    let env = TestEnv::new();
    env.script("slow.sh", "#!/bin/sh\nsleep 0.6\necho loss: 0.5\n");
    let line = "run --gpus all --metric loss:min --param x=0.0..1.0 --trials 3 --gpu-time 0.9s --name s -- ./slow.sh {x}";
    // One GPU that the batch system grants, on trust.
    let ran = env.command(line).env("CUDA_VISIBLE_DEVICES", "0").output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(said.contains("the limit of GPU time is reached"), "{said}");
    let history = env.objects("explain s/1 --json");
    assert!(history[0]["history"][0]["gpu_ms"].as_u64().unwrap() >= 100, "{history:?}");
    let more = env.command("resume s --gpu-time 1h").env("CUDA_VISIBLE_DEVICES", "0").output().unwrap();
    assert_eq!(more.status.code(), Some(0));
    assert_eq!(env.objects("trials s --json").len(), 3);
}

#[test]
fn sizes_need_units() {
    let env = TestEnv::new();
    for (flag, words) in [
        ("--trial-memory 20", "write 50GiB"),
        ("--trial-log 5kB", "at least 1MiB"),
        ("--trial-open-files 3", "at least 16"),
        ("--gpu-time 3", "write 90s"),
    ] {
        let ran = env.run_over("./train.sh {x}", flag);
        assert_eq!(ran.code, 2, "{flag}");
        assert!(ran.stderr.contains(words), "{flag}: {}", ran.stderr);
    }
}

/// The trial that is being ended for the old limit does not take the search with it.
#[test]
fn time_limit_can_be_raised_while_it_ends_a_search() {
    let env = TestEnv::new();
    let deaf =
        "#!/bin/sh\ntrap 'echo told >> told' TERM\nwhile [ ! -e go ]; do sleep 0.02; done\necho loss: 0.5\n";
    env.script("deaf.sh", deaf);
    let running = env.start("./deaf.sh {x}", "--trials 2 --parallel 1 --timeout 0.2s --grace 20s --name s");
    wait_until("the program to be told", || env.path("told").exists());
    assert_eq!(env.automl("set s timeout=1h").code, 0);
    let log = env.root().join("s/events.jsonl");
    wait_until("the limit to change", || fs::read_to_string(&log).unwrap().contains("budget_changed"));
    fs::write(env.path("go"), "").unwrap();
    let ran = running.wait();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(env.objects("status s --json")[0]["ended"], "budget", "{}", ran.stdout);
    assert!(env.objects("trials s --json").iter().all(|trial| trial["state"] == "complete"));
    assert_eq!(env.automl("replay s").code, 0);
}
