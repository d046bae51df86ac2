//! Studies as single files, and logs of every format that was ever written.

use crate::support::{TestEnv, crc32};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/it/fixtures/logs").join(name)
}

/// Exports a study to a file.
fn export(env: &TestEnv, study: &str, file: &str) -> String {
    let exported = env.automl(&format!("export {study} --to jsonl"));
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    fs::write(env.path(file), &exported.stdout).unwrap();
    exported.stdout
}

#[test]
fn exported_study_is_imported_whole() {
    let env = TestEnv::new();
    env.search("--trials 4 --name s --algorithm bayesian");
    let text = export(&env, "s", "s.jsonl");
    assert_eq!(text, fs::read_to_string(env.root().join("s/events.jsonl")).unwrap(), "the log as it is");
    let made = env.automl("import s.jsonl --name t");
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(made.stdout.contains("4 trials"), "{}", made.stdout);
    let trials = |study: &str| env.objects(&format!("trials {study} --json"));
    let values = |study: &str| trials(study).iter().map(|t| t["value"].clone()).collect::<Vec<Value>>();
    assert_eq!(values("s"), values("t"));
    assert_eq!(env.objects("status t --json")[0]["study"], "t");
    for command in ["fsck t", "replay t", "resume t --trials 6"] {
        assert_eq!(env.automl(command).code, 0, "{command}");
    }
    assert_eq!((trials("s").len(), trials("t").len()), (4, 6));
}

#[test]
fn study_without_a_journal_is_read_and_carried_on_like_any_other() {
    let env = TestEnv::new();
    env.search("--trials 4 --name s --algorithm bayesian --journal off");
    let log = env.root().join("s/events.jsonl");
    assert!(!log.exists());
    let trials = |study: &str| env.objects(&format!("trials {study} --json"));
    assert_eq!(trials("s").len(), 4);
    assert_eq!(env.objects("list --json")[0]["study"], "s");
    for command in ["status s", "best s", "explain s/1", "replay s"] {
        let read = env.automl(command);
        assert_eq!(read.code, 0, "{command}: {}", read.stderr);
    }
    let checked = env.automl("fsck s");
    assert!(checked.stdout.contains("events.jsonl  none, as was asked for"), "{}", checked.stdout);
    assert_eq!(checked.code, 0);

    export(&env, "s", "s.jsonl");
    assert_eq!(env.automl("import s.jsonl --name t").code, 0);
    assert_eq!(trials("s").iter().map(|t| &t["value"]).collect::<Vec<_>>().len(), trials("t").len());
    assert!(!env.root().join("t/events.jsonl").exists(), "the copy is as the first");

    let resumed = env.automl("resume s --trials 6");
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(!resumed.stderr.contains("events.jsonl"), "nothing was amiss: {}", resumed.stderr);
    assert_eq!((trials("s").len(), log.exists()), (6, false));

    fs::remove_dir_all(env.root().join("t/store")).unwrap();
    assert_eq!(env.automl("trials t").code, 5, "nothing is left of it");
}

#[test]
fn existing_names_are_refused() {
    let env = TestEnv::new();
    env.search("--trials 2 --name s");
    export(&env, "s", "s.jsonl");
    let before = fs::read(env.root().join("s/events.jsonl")).unwrap();
    let refused = env.automl("import s.jsonl");
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("`--name`"), "{}", refused.stderr);
    assert_eq!(fs::read(env.root().join("s/events.jsonl")).unwrap(), before);
    assert_eq!(env.automl("import s.jsonl --name ../out").code, 2);
    let missing = env.automl("import nope.jsonl");
    assert_eq!(missing.code, 2, "{}", missing.stderr);
    assert!(missing.stderr.contains("cannot read nope.jsonl: No such file"), "{}", missing.stderr);
}

#[test]
fn study_is_called_as_its_folder() {
    let env = TestEnv::new();
    env.search("--trials 2 --name s");
    fs::rename(env.root().join("s"), env.root().join("t")).unwrap();
    for command in ["status t --json", "list --json", "best t --json"] {
        assert_eq!(env.objects(command)[0]["study"], "t", "{command}");
    }
}

#[test]
fn damaged_archives_are_refused_by_line_and_leave_nothing() {
    let env = TestEnv::new();
    env.search("--trials 3 --name s");
    let text = export(&env, "s", "s.jsonl");
    let lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    let cases = [
        ("flipped", text.replacen("\"trial\":2", "\"trial\":9", 1), ".jsonl:"),
        ("missing", joined(&[&lines[..5], &lines[6..]].concat()), ".jsonl:6: holds event 5"),
        ("cut", text[..text.len() - 9].to_string(), &format!(".jsonl:{}: breaks off", lines.len())),
        ("headless", joined(&lines[1..]), ".jsonl:1: is not the first line"),
        ("table", "trial,state\n1,complete\n".into(), ".jsonl:1: is not the first line"),
        ("empty", String::new(), ".jsonl:1: is not the first line"),
    ];
    for (name, content, words) in cases {
        fs::write(env.path(&format!("{name}.jsonl")), content).unwrap();
        let refused = env.automl(&format!("import {name}.jsonl --name t"));
        assert_eq!(refused.code, 2, "{name}: {}", refused.stderr);
        assert!(refused.stderr.contains(&format!("{name}{words}")), "{name}: {}", refused.stderr);
        assert!(!env.root().join("t").exists(), "{name} left a folder");
    }
}

#[test]
fn damaged_studies_are_not_exported() {
    let env = TestEnv::new();
    env.search("--trials 2 --name s");
    let path = env.root().join("s/events.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"trial\":1", "\"trial\":7", 1)).unwrap();
    let refused = env.automl("export s --to jsonl");
    assert_eq!((refused.code, refused.stdout.as_str()), (5, ""));
    assert!(refused.stderr.contains("automl fsck"), "{}", refused.stderr);
}

/// The number of trials in every kept log, and kinds of events that it is kept for.
const FORMATS: [(&str, usize, &[&str]); 7] = [
    ("format-1.jsonl", 3, &["measured"]),
    ("format-2.jsonl", 5, &["enqueued"]),
    ("format-3.jsonl", 5, &["checkpoint_lost", "fidelity_raised"]),
    ("format-3-stopped.jsonl", 4, &["stop_decided"]),
    (
        "format-4.jsonl",
        6,
        &[
            "stop_decided",
            "trial_stopped",
            "bounds_changed",
            "enqueued",
            "fidelity_raised",
            "checkpoints_counted",
            "checkpoints_dropped",
        ],
    ),
    ("format-4-population.jsonl", 6, &["checkpoint_inherited"]),
    (ASKED, 6, &["attempt_started", "checkpoints_dropped"]),
];

/// Its starts say what the scheduler was asked; those of the others do not.
const ASKED: &str = "format-4-asked.jsonl";

/// Every format has a log, and every log holds what it is kept for.
#[test]
fn every_format_has_a_kept_log() {
    let mut formats = BTreeSet::new();
    for (name, _, events) in FORMATS {
        let text = fs::read_to_string(fixture(name)).unwrap();
        for event in events {
            assert!(text.contains(&format!(r#""event":"{event}""#)), "{name}: {event}");
        }
        assert_eq!(text.contains(r#""asked":{"#) && text.contains(r#""spared":["#), name == ASKED, "{name}");
        let format = text.split_once(r#""format":"#).unwrap().1;
        formats.insert(format.split(',').next().unwrap().parse::<u32>().unwrap());
    }
    assert_eq!(formats, (1..=automl_core::EVENT_FORMAT).collect());
}

#[test]
fn logs_of_every_format_are_opened() {
    for (name, trials, _) in FORMATS {
        let env = TestEnv::new();
        let study = env.root().join("old");
        fs::create_dir_all(&study).unwrap();
        fs::copy(fixture(name), study.join("events.jsonl")).unwrap();
        // Only the journal is kept, so the database is the first thing to be rebuilt.
        let checked = env.automl("fsck old --repair");
        assert_eq!(checked.code, 0, "{name}: {}{}", checked.stdout, checked.stderr);
        let found = env.objects("trials old --json");
        assert_eq!(found.len(), trials, "{name}");
        assert!(found.iter().all(|trial| trial["value"].is_number()), "{name}: {found:?}");
        for command in ["status old", "best old --json", "export old", "replay old"] {
            let ran = env.automl(command);
            assert_eq!(ran.code, 0, "{name}: {command}: {}{}", ran.stdout, ran.stderr);
        }
    }
}

#[test]
fn logs_of_every_format_are_imported_and_carried_on() {
    for (name, trials, _) in FORMATS {
        let env = TestEnv::new();
        // A study remembers the folder its program is in, which the log's writer had elsewhere.
        let made = env.command("import --name new").arg(fixture(name)).output().unwrap();
        assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));
        assert_eq!(env.automl(&format!("set new trials={}", trials + 1)).code, 0, "{name}");
        assert_eq!(env.objects("trials new --json").len(), trials, "{name}");
    }
}

#[test]
fn newer_formats_are_refused() {
    let env = TestEnv::new();
    let body = "{\"automl_events\":9,\"store\":\"ab\"";
    let header = format!("{body},\"crc\":\"{:08x}\"}}\n", crc32(body.as_bytes(), 0));
    fs::write(env.path("new.jsonl"), header).unwrap();
    let refused = env.automl("import new.jsonl");
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(refused.stderr.contains("has format 9"), "{}", refused.stderr);
    assert!(!env.root().exists());
}
