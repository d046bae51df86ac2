//! Who may write: epochs, formats without them, and how densely the database keeps what was written. Readers that
//! go on where they stopped, by themselves or from a snapshot.

use std::fs;
use std::io::Write;
use std::path::Path;

use automl_store::{JournalFollower, SledStore, Store, StoreError, inspect, read_journal};

use crate::support::{
    append, assert_opens_with, assert_records, copy_of, database, database_bytes, journal, payload, payloads,
    study_with,
};

#[test]
fn every_opening_raises_the_epoch_before_it_appends() {
    let dir = study_with(3);
    let (mut store, _) = SledStore::open(dir.path()).unwrap();
    assert_eq!(store.writer().epoch, 2);
    let before = read_journal(dir.path()).unwrap();
    assert_eq!(before.writers.last(), Some(&(store.writer().clone(), 4)), "said before anything is appended");
    store.append(&[payload(4)]).unwrap();
    drop(store);
    // Whichever copy is left knows the last epoch.
    for lost in [journal(dir.path()), database(dir.path())] {
        let dir = copy_of(dir.path());
        let lost = dir.path().join(lost.file_name().unwrap());
        fs::remove_file(&lost).or_else(|_| fs::remove_dir_all(&lost)).unwrap();
        let (store, _) = SledStore::open(dir.path()).unwrap();
        assert_eq!(store.writer().epoch, 3);
        assert_records(&store.read_all().unwrap(), 4);
    }
    let text = fs::read_to_string(journal(dir.path())).unwrap();
    let epochs = |line: &str| line.starts_with("{\"seq\"").then(|| line.contains("\"epoch\":2"));
    assert_eq!(text.lines().filter_map(epochs).collect::<Vec<_>>(), [false, false, false, true]);
}

/// As where locks do not work: two processes have the same log open.
#[test]
fn writer_that_lost_the_study_cannot_append_and_names_the_new_one() {
    let dir = study_with(5);
    let (mut old, _) = SledStore::open(dir.path()).unwrap();
    let left = fs::read(journal(dir.path())).unwrap();
    // The other process works on its own view of the same journal; sled's lock is taken from a copy.
    let other = copy_of(dir.path());
    let (mut new, _) = SledStore::open(other.path()).unwrap();
    new.append(&[payload(6)]).unwrap();
    let text = fs::read(journal(other.path())).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(journal(dir.path())).unwrap();
    file.write_all(&text[left.len()..]).unwrap();

    let error = old.append(&[payload(66)]).unwrap_err();
    assert!(matches!(&error, StoreError::Fenced { .. }), "{error}");
    assert!(error.to_string().contains(&format!("taken over by process {}", std::process::id())), "{error}");
    assert_eq!(fs::read(journal(dir.path())).unwrap(), text, "it leaves no trace");
    drop(old);
    assert_opens_with(dir.path(), 6);
}

#[test]
fn records_of_a_lost_writer_are_told_of_and_removed() {
    let dir = study_with(5);
    let stale = fs::read_to_string(journal(dir.path())).unwrap();
    let (store, _) = SledStore::open(dir.path()).unwrap();
    drop(store);
    // What a writer of the first epoch would have appended behind record 5.
    let ahead = study_with_id_of(&stale, 8);
    let late: String = ahead.lines().skip(2 + 5).take(1).map(|line| format!("{line}\n")).collect();
    let mut file = fs::OpenOptions::new().append(true).open(journal(dir.path())).unwrap();
    file.write_all(late.as_bytes()).unwrap();

    let found = inspect(dir.path()).unwrap();
    assert_eq!((found.records.len(), found.defects.len()), (5, 0), "{:?}", found.defects);
    assert!(found.remarks[0].contains("had lost the study"), "{:?}", found.remarks);
    assert_eq!(found.writers.len(), 2);
    assert_opens_with(dir.path(), 5);
}

/// The journal of a longer log with the header of another one.
fn study_with_id_of(text: &str, records: u64) -> String {
    let longer = study_with(records);
    let other = fs::read_to_string(journal(longer.path())).unwrap();
    let (header, _) = text.split_once('\n').unwrap();
    let (_, rest) = other.split_once('\n').unwrap();
    format!("{header}\n{rest}")
}

/// Writes a log as the first format had it: no epochs, one key for each record of the database, and sled's own
/// segment size.
fn study_of_the_first_format(dir: &Path, records: u64) {
    let id = "0123456789abcdef0123456789abcdef";
    let body = format!(r#"{{"automl_events":1,"store":"{id}""#);
    let crc = crc32fast::hash(body.as_bytes());
    let mut text = format!("{body},\"crc\":\"{crc:08x}\"}}\n");
    let db = sled::open(database(dir)).unwrap();
    db.insert("format", &1u32.to_be_bytes()).unwrap();
    db.insert("store", id).unwrap();
    db.insert("last_seq", &records.to_be_bytes()).unwrap();
    for seq in 1..=records {
        let crc = crc32fast::hash(&[&seq.to_be_bytes()[..], &payload(seq)].concat());
        let event = String::from_utf8(payload(seq)).unwrap();
        text.push_str(&format!("{{\"seq\":{seq},\"crc\":\"{crc:08x}\",\"event\":{event}}}\n"));
        let value = [&[1][..], &crc.to_be_bytes(), event.as_bytes()].concat();
        let (head, rest) = value.split_at(value.len().min(30));
        db.insert(seq.to_be_bytes(), head).unwrap();
        if !rest.is_empty() {
            db.insert([&seq.to_be_bytes()[..], &[0, 1]].concat(), rest).unwrap();
        }
    }
    fs::write(journal(dir), text).unwrap();
}

#[test]
fn log_of_the_first_format_is_opened_and_carried_on() {
    let dir = tempfile::tempdir().unwrap();
    study_of_the_first_format(dir.path(), 40);
    assert_records(&read_journal(dir.path()).unwrap().records, 40);
    assert_eq!(inspect(dir.path()).unwrap().defects, []);
    let (mut store, recovery) = SledStore::open(dir.path()).unwrap();
    assert_eq!((recovery.records, recovery.notes.len()), (40, 1), "{recovery:?}");
    assert!(recovery.notes[0].contains("format"), "{recovery:?}");
    store.append(&payloads(41, 600)).unwrap();
    drop(store);
    assert_opens_with(dir.path(), 600);
    let only_database = copy_of(dir.path());
    fs::remove_file(journal(only_database.path())).unwrap();
    assert_opens_with(only_database.path(), 601);
}

#[test]
fn database_takes_no_more_than_twice_its_records() {
    for (records, batch) in [(3_000, 1), (40_000, 20), (40_000, 40_000)] {
        let dir = tempfile::tempdir().unwrap();
        let json = append(&mut SledStore::create(dir.path()).unwrap(), records, batch);
        let taken = database_bytes(dir.path());
        assert!(taken < 2 * json, "batches of {batch}: {taken} bytes for {json}");
    }
}

/// Most of it are pieces that sled has not reclaimed yet.
#[test]
fn small_database_stays_small_however_it_is_written() {
    const LARGEST: u64 = 384 << 10;
    let dir = tempfile::tempdir().unwrap();
    let mut store = SledStore::create(dir.path()).unwrap();
    for records in (50..=1_000).step_by(50) {
        append(&mut store, records, 1);
        if records % 200 == 0 {
            drop(store);
            store = SledStore::open(dir.path()).unwrap().0;
        }
        let taken = database_bytes(dir.path());
        assert!(taken <= LARGEST, "{taken} bytes for {records} records");
    }
    // Values in files of their own would be there for good.
    let long = [br#"{"l":""#.to_vec(), vec![b'y'; 100_000], br#""}"#.to_vec()].concat();
    store.append(&[long.clone(), long]).unwrap();
    let blobs = fs::read_dir(database(dir.path()).join("blobs")).map_or(0, Iterator::count);
    assert_eq!(blobs, 0);
}

#[test]
fn follower_reads_only_what_is_new_and_begins_anew_when_it_must() {
    let dir = study_with(5);
    let mut follower = JournalFollower::new(dir.path());
    let look = |follower: &mut JournalFollower| {
        let mut seen = Vec::new();
        let found = follower.follow(|seq, content| {
            assert_eq!(content, payload(seq));
            seen.push(seq);
        });
        found.map(|found| (found.records, seen))
    };
    assert_eq!(look(&mut follower).unwrap(), (5, (1..=5).collect()));
    assert_eq!(look(&mut follower).unwrap(), (5, vec![]));
    let (mut store, _) = SledStore::open(dir.path()).unwrap();
    store.append(&payloads(6, 8)).unwrap();
    assert_eq!(look(&mut follower).unwrap(), (8, vec![6, 7, 8]));
    drop(store);

    // Half a batch, then the rest of it.
    let text = fs::read(journal(dir.path())).unwrap();
    let (mut store, _) = SledStore::open(dir.path()).unwrap();
    store.append(&payloads(9, 12)).unwrap();
    drop(store);
    let whole = fs::read(journal(dir.path())).unwrap();
    fs::write(journal(dir.path()), &whole[..whole.len() - 60]).unwrap();
    assert_eq!(look(&mut follower).unwrap(), (8, vec![]));
    fs::write(journal(dir.path()), &whole).unwrap();
    assert_eq!(look(&mut follower).unwrap(), (12, (9..=12).collect()));

    // Shortened, replaced, edited where it was read, gone and back: from the beginning.
    fs::write(journal(dir.path()), &text).unwrap();
    assert_eq!(look(&mut follower).unwrap(), (8, (1..=8).collect()));
    fs::write(dir.path().join("new"), &whole).unwrap();
    fs::rename(dir.path().join("new"), journal(dir.path())).unwrap();
    assert_eq!(look(&mut follower).unwrap(), (12, (1..=12).collect()));
    let mut edited = whole.clone();
    let at = edited.len() - 10;
    edited[at] ^= 1;
    fs::write(journal(dir.path()), &edited).unwrap();
    assert_eq!(look(&mut follower).unwrap(), (8, (1..=8).collect()));
    fs::remove_file(journal(dir.path())).unwrap();
    assert!(look(&mut follower).is_err());
    fs::write(journal(dir.path()), &whole).unwrap();
    assert_eq!(look(&mut follower).unwrap(), (12, (1..=12).collect()));
}

#[test]
fn snapshot_is_believed_only_beside_the_log_it_was_made_from() {
    const FORMAT: &str = "f 1";
    let dir = study_with(20);
    let (mut store, _) = SledStore::open(dir.path()).unwrap();
    assert_eq!(store.snapshot(FORMAT), None);
    store.keep_snapshot(FORMAT, b"first").unwrap();
    store.append(&payloads(21, 30)).unwrap();
    assert_eq!(store.snapshot(FORMAT), Some((20, b"first".to_vec())));
    store.keep_snapshot(FORMAT, b"what was made of thirty").unwrap();
    store.append(&payloads(31, 33)).unwrap();
    drop(store);

    let state = |dir: &Path| {
        let mut follower = JournalFollower::new(dir);
        let content = follower.begin_with_snapshot(FORMAT)?;
        let mut seen = Vec::new();
        follower
            .follow(|seq, content| {
                assert_eq!(content, payload(seq));
                seen.push(seq);
            })
            .unwrap();
        Some((content, seen))
    };
    let (content, seen) = state(dir.path()).unwrap();
    assert_eq!((content.as_slice(), seen), (&b"what was made of thirty"[..], vec![31, 32, 33]));
    let (store, _) = SledStore::open(dir.path()).unwrap();
    assert_eq!(store.snapshot(FORMAT).unwrap().0, 30);
    assert_eq!(store.snapshot("f 2"), None, "another format");
    drop(store);

    let file = |dir: &Path| dir.join("snapshot");
    let whole = fs::read(file(dir.path())).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(file(dir.path()), flipped).unwrap();
        assert_eq!(state(dir.path()), None, "byte {at}");
        fs::write(file(dir.path()), &whole[..at]).unwrap();
        assert_eq!(state(dir.path()), None, "cut at {at}");
    }
    fs::remove_file(file(dir.path())).unwrap();
    assert_eq!(state(dir.path()), None);
    assert_opens_with(dir.path(), 33);
    fs::write(file(dir.path()), &whole).unwrap();
    assert!(state(dir.path()).is_some());

    // A byte of the log that went into it has changed, or the log is another one.
    let text = fs::read(journal(dir.path())).unwrap();
    let place = text.windows(7).position(|part| part == br#""n":9,""#).unwrap();
    let mut edited = text.clone();
    edited[place + 4] = b'8';
    fs::write(journal(dir.path()), &edited).unwrap();
    assert_eq!(state(dir.path()), None);
    let other = study_with(40);
    fs::write(file(other.path()), &whole).unwrap();
    assert_eq!(state(other.path()), None);
    assert_opens_with(other.path(), 40);
}
