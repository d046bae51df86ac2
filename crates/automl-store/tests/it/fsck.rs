//! What an inspection names, and what repairs on request keep.

use std::fs;
use std::path::Path;

use automl_store::{LogCopy, SledStore, Store, cut_behind, inspect, read_journal, rebuild_from};

use crate::support::{
    assert_opens_with, assert_records, copy_of, cut, database, journal, names_with, overwrite,
    remove_block_of, study_with,
};

/// Everything below a folder but lock files, to show that nothing was changed.
fn content(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        match path.is_dir() {
            true => files.extend(content(&path)),
            false if path.extension().is_some_and(|e| e == "lock") => (),
            false => files.push((path.display().to_string(), fs::read(&path).unwrap())),
        }
    }
    files.sort();
    files
}

#[test]
fn sound_log_is_called_sound_and_not_touched() {
    let dir = study_with(50);
    let before = content(dir.path());
    let found = inspect(dir.path()).unwrap();
    assert_eq!((&found.defects[..], &found.remarks[..]), (&[][..], &[][..]));
    assert_eq!((found.database.records, found.journal.records, found.lost), (50, 50, 0));
    assert_records(&found.records, 50);
    assert_eq!(content(dir.path()), before, "a look changes nothing");
}

#[test]
fn damaged_line_is_named_by_record_line_and_byte() {
    let dir = study_with(50);
    let text = fs::read(journal(dir.path())).unwrap();
    let lines: Vec<usize> = (0..text.len()).filter(|&i| text[i] == b'\n').map(|i| i + 1).collect();
    // Line 1 is the header and line 2 names the writer, so record 29 is in line 31; batches of 1 to 7 put it at
    // the start of one.
    overwrite(&journal(dir.path()), lines[29] as u64 + 40, b"???");
    let before = content(dir.path());
    let found = inspect(dir.path()).unwrap();
    let [defect] = &found.defects[..] else { panic!("{:?}", found.defects) };
    assert_eq!((defect.copy, defect.offset), (Some(LogCopy::Journal), Some(lines[29] as u64)));
    assert_eq!(defect.records, Some((29, 50)));
    assert!(defect.what.contains("line 31") && defect.what.contains("21 lines behind"), "{}", defect.what);
    assert_records(&found.records, 50);
    assert_eq!(content(dir.path()), before);
}

#[test]
fn removed_line_is_told_from_a_damaged_one() {
    let dir = study_with(10);
    let text = fs::read_to_string(journal(dir.path())).unwrap();
    let kept: Vec<&str> = text.lines().enumerate().filter(|(i, _)| *i != 5).map(|(_, line)| line).collect();
    fs::write(journal(dir.path()), kept.join("\n") + "\n").unwrap();
    let found = inspect(dir.path()).unwrap();
    assert!(found.defects[0].what.contains("line 6 holds record 5"), "{:?}", found.defects);
}

#[test]
fn missing_and_shorter_copies_are_named() {
    let dir = study_with(30);
    let short = copy_of(dir.path());
    let len = fs::metadata(journal(short.path())).unwrap().len();
    cut(&journal(short.path()), len - 9);
    let found = inspect(short.path()).unwrap();
    let defect = &found.defects[0];
    assert_eq!((defect.copy, defect.records.unwrap().1), (Some(LogCopy::Journal), 30));
    assert_eq!(defect.offset, Some(read_journal(short.path()).unwrap().whole_bytes));
    assert!(found.remarks[0].contains("unfinished write"), "{:?}", found.remarks);

    fs::remove_dir_all(database(dir.path())).unwrap();
    let found = inspect(dir.path()).unwrap();
    assert_eq!(found.defects[0].what, "is missing");
    assert_eq!(found.defects[0].copy, Some(LogCopy::Database));
    assert_eq!(found.records.len(), 30);
}

#[test]
fn records_in_neither_copy_are_counted() {
    let dir = study_with(40);
    let removed = remove_block_of(dir.path(), 21);
    let left = removed as usize - 1;
    assert!(left > 10, "{left}");
    let text = fs::read(journal(dir.path())).unwrap();
    let at = text.windows(8).position(|w| w == br#""n":10,""#).unwrap();
    overwrite(&journal(dir.path()), at as u64, b"?");
    let found = inspect(dir.path()).unwrap();
    assert_eq!((found.records.len(), found.lost), (left, 40 - left as u64));
    assert_eq!(found.defects.last().unwrap().records, Some((removed, 40)));
    assert_eq!(found.defects.len(), 3, "{:?}", found.defects);
}

#[test]
fn contradicting_copies_are_settled_by_choice_only() {
    let dir = study_with(20);
    let other = study_with(25);
    fs::copy(journal(other.path()), journal(dir.path())).unwrap();
    assert!(inspect(dir.path()).unwrap().contradictory);
    assert!(SledStore::open(dir.path()).is_err());
    for (copy, records) in [(LogCopy::Database, 20), (LogCopy::Journal, 25)] {
        let dir = copy_of(dir.path());
        let recovery = rebuild_from(dir.path(), copy).unwrap();
        assert!(recovery.notes[0].contains(".damaged-1"), "{recovery:?}");
        assert_eq!(names_with(dir.path(), "damaged-1").len(), 1);
        assert_opens_with(dir.path(), records);
    }
}

#[test]
fn copy_without_records_is_never_chosen() {
    let dir = study_with(20);
    cut(&journal(dir.path()), 3);
    let before = content(dir.path());
    assert!(rebuild_from(dir.path(), LogCopy::Journal).is_err());
    assert_eq!(content(dir.path()), before);
}

#[test]
fn cut_log_keeps_the_whole_one_aside() {
    let dir = study_with(60);
    let whole = fs::read(journal(dir.path())).unwrap();
    let recovery = cut_behind(dir.path(), 33).unwrap();
    assert_eq!((recovery.records, recovery.notes.len()), (33, 2));
    let aside = fs::read(dir.path().join("events.jsonl.damaged-1")).unwrap();
    assert!(aside.starts_with(&whole), "only the repair's own takeover was added");
    assert!(dir.path().join("store.damaged-1").is_dir());
    assert!(inspect(dir.path()).unwrap().defects.is_empty());
    assert_opens_with(dir.path(), 33);
}

#[test]
fn open_log_is_not_inspected() {
    let dir = study_with(3);
    let (store, _) = SledStore::open(dir.path()).unwrap();
    assert!(inspect(dir.path()).unwrap_err().to_string().contains("another process"));
    assert_eq!(store.last_seq(), 3);
}
