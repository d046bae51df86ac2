//! Damaged logs: what is told of them, what a repair keeps, and which commands point the way.

use crate::support::{TestEnv, assert_fields, crc32, event_lines};
use std::fs;
use std::path::PathBuf;

fn journal(env: &TestEnv, study: &str) -> PathBuf {
    env.root().join(study).join("events.jsonl")
}

/// Changes a byte in the middle of a line, from 1, of a journal.
fn damage(env: &TestEnv, study: &str, line: usize) {
    let text = fs::read_to_string(journal(env, study)).unwrap();
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    lines[line - 1].replace_range(30..31, "?");
    fs::write(journal(env, study), lines.join("\n") + "\n").unwrap();
}

#[test]
fn sound_study_is_called_sound() {
    let env = TestEnv::new();
    env.search("--trials 3 --name s");
    let checked = env.automl("fsck s");
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
    assert!(checked.stdout.contains("the same in both copies"), "{}", checked.stdout);
    let object = &env.objects("fsck s --json")[0];
    let fields = [
        "study",
        "sound",
        "usable",
        "lost",
        "store",
        "journal",
        "defects",
        "impossible",
        "remarks",
        "contradictory",
        "writers",
        "repair",
    ];
    assert_fields(object, &fields);
    let events = event_lines(&fs::read_to_string(journal(&env, "s")).unwrap()).len();
    assert_eq!((&object["sound"], &object["usable"]), (&true.into(), &events.into()));
}

#[test]
fn damaged_journal_is_named_and_repaired_from_the_database() {
    let env = TestEnv::new();
    env.search("--trials 3 --name s");
    let whole = fs::read_to_string(journal(&env, "s")).unwrap();
    damage(&env, "s", 4);
    let looked = env.automl("status s");
    assert_eq!(looked.code, 5);
    assert!(looked.stderr.contains("automl fsck"), "{}", looked.stderr);
    let checked = env.automl("fsck s");
    assert_eq!(checked.code, 5);
    assert!(checked.stdout.contains("line 4 does not read back"), "{}", checked.stdout);
    assert!(
        checked.stderr.contains("automl fsck s --repair` mends it, loses no event"),
        "{}",
        checked.stderr
    );

    let repaired = env.automl("fsck s --repair");
    assert_eq!(repaired.code, 0, "{}{}", repaired.stdout, repaired.stderr);
    assert!(repaired.stdout.contains("events.jsonl.damaged-1"), "{}", repaired.stdout);
    let events = |text: &str| {
        let event = |line: &str| line[line.find("\"event\":").unwrap()..].to_string();
        event_lines(text).into_iter().map(event).collect::<Vec<_>>()
    };
    assert_eq!(events(&fs::read_to_string(journal(&env, "s")).unwrap()), events(&whole));
    assert_eq!(env.automl("fsck s").code, 0);
    assert_eq!(env.automl("resume s --trials 5").code, 0);
}

#[test]
fn events_in_neither_copy_are_given_up_on_request_only() {
    let env = TestEnv::new();
    env.search("--trials 4 --name s --parallel 1");
    let text = fs::read_to_string(journal(&env, "s")).unwrap();
    let (lines, events) = (text.lines().count(), event_lines(&text).len());
    damage(&env, "s", lines - 5);
    fs::remove_dir_all(env.root().join("s/store")).unwrap();
    let refused = env.automl("resume s --trials 6");
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("automl fsck --repair"), "{}", refused.stderr);

    let repaired = &env.objects("fsck s --repair --json")[0];
    let (usable, dropped) = (repaired["usable"].as_u64().unwrap(), repaired["repair"]["dropped"].as_u64());
    // Nothing before the damaged line is given up but the rest of its own batch.
    assert!(usable as usize >= events - 6 - 7 && dropped >= Some(6), "{repaired}");
    assert_eq!(usable + dropped.unwrap(), events as u64);
    assert!(env.root().join("s/events.jsonl.damaged-1").exists());
    assert_eq!(env.automl("fsck s").code, 0);
    assert_eq!(env.automl("resume s --trials 6").code, 0);
}

#[test]
fn impossible_event_is_named_and_cut_off() {
    let env = TestEnv::new();
    env.search("--trials 3 --name s --seed 1");
    env.search("--trials 1 --name t --seed 2");
    // A log whose checksums are right and whose story is not.
    let text = fs::read_to_string(journal(&env, "t")).unwrap();
    let last = text.lines().last().unwrap().to_string();
    let seq = event_lines(&text).len() as u64 + 1;
    let event = last[last.find("\"event\":").unwrap() + 8..last.len() - 1]
        .replace("study_ended", "study_created_by_nobody");
    let mut crc = crc32(&seq.to_be_bytes(), 0);
    crc = crc32(&1u64.to_be_bytes(), crc);
    crc = crc32(event.as_bytes(), crc);
    let forged = format!("{text}{{\"seq\":{seq},\"epoch\":1,\"crc\":\"{crc:08x}\",\"event\":{event}}}\n");
    fs::write(journal(&env, "t"), forged).unwrap();
    fs::remove_dir_all(env.root().join("t/store")).unwrap();

    let checked = env.automl("fsck t");
    assert_eq!(checked.code, 5, "{}", checked.stdout);
    assert!(checked.stdout.contains(&format!("impossible    event {seq}")), "{}", checked.stdout);
    let resumed = env.automl("resume t --trials 3");
    assert_eq!(resumed.code, 5, "{}", resumed.stderr);
    assert!(resumed.stderr.contains("`automl fsck t`"), "{}", resumed.stderr);
    let repaired = &env.objects("fsck t --repair --json")[0];
    assert_eq!(
        (&repaired["repair"]["dropped"], &repaired["repair"]["events"]),
        (&1.into(), &(seq - 1).into())
    );
    assert_eq!(env.automl("fsck t").code, 0);
    assert_eq!(env.automl("status t").code, 0);
}

#[test]
fn copies_of_different_studies_need_a_choice() {
    let env = TestEnv::new();
    env.search("--trials 2 --name s");
    env.search("--trials 3 --name t");
    let (own, sound) = (fs::read(journal(&env, "s")).unwrap(), env.root().join("s/store"));
    fs::copy(journal(&env, "t"), journal(&env, "s")).unwrap();
    for command in ["status s", "trials s --json", "replay s", "export s --to jsonl"] {
        let refused = env.automl(command);
        assert_eq!((refused.code, refused.stdout.as_str()), (5, ""), "{command}: {}", refused.stderr);
        assert!(refused.stderr.contains("belong to different studies"), "{command}: {}", refused.stderr);
    }
    let checked = env.automl("fsck s");
    assert_eq!(checked.code, 5);
    assert!(checked.stderr.contains("--repair --from store"), "{}", checked.stderr);
    let refused = env.automl("fsck s --repair");
    assert_eq!(refused.code, 5, "{}", refused.stdout);
    assert!(refused.stderr.contains("contradict"), "{}", refused.stderr);
    assert_eq!(env.automl("fsck s --repair --from store").code, 0);
    assert_eq!(env.objects("trials s --json").len(), 2);

    // Who keeps the other study's log gets its settings, too.
    fs::copy(journal(&env, "t"), journal(&env, "s")).unwrap();
    assert_eq!(env.automl("fsck s --repair --from journal").code, 0);
    assert_eq!(env.objects("trials s --json").len(), 3);

    // Only the settings are another study's.
    fs::remove_dir_all(sound).unwrap();
    fs::write(journal(&env, "s"), own).unwrap();
    assert_eq!(env.automl("status s").code, 5);
    let checked = env.automl("fsck s");
    assert!(checked.stdout.contains("study.json belongs to another study"), "{}", checked.stdout);
    let resumed = env.automl("resume s --trials 3");
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(resumed.stderr.contains("is written again from the log"), "{}", resumed.stderr);
    assert_eq!((env.automl("status s").code, env.automl("fsck s").code), (0, 0));
}

#[test]
fn study_that_is_worked_on_is_left_alone() {
    let env = TestEnv::new();
    let engine = env.start("./hang.sh {x}", "--trials 1 --name s");
    env.wait_for_started(1);
    let pid = env.objects("status s --json")[0]["pid"].as_u64().unwrap();
    for command in ["fsck s", "fsck s --repair"] {
        let refused = env.automl(command);
        assert_eq!(refused.code, 7, "{command}");
        assert!(
            refused.stderr.contains(&format!("is run by process {pid} ")),
            "{command}: {}",
            refused.stderr
        );
    }
    fs::write(env.path("go"), "").unwrap();
    assert_eq!(engine.wait().code, 0);
    assert_eq!(env.automl("fsck s").code, 0);
}

#[test]
fn wrong_usage_is_refused() {
    let env = TestEnv::new();
    env.search("--trials 1 --name s");
    assert_eq!(env.automl("fsck nothing").code, 2);
    assert_eq!(env.automl("fsck s --from store").code, 2);
    assert_eq!(env.automl("fsck s --repair --from sideways").code, 2);
}
