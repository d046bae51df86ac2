//! Loss of power, simulated: whatever was not synced when the current failed may be on the disk or not, in
//! pieces, and nobody knows which.
//!
//! The store's fault seam says when a file is about to be synced and when that has succeeded. Between these
//! moments the synced content of each file is remembered. A loss keeps it, and of everything written since a
//! random choice of sectors. Files that sled makes without our syncing them may be empty or gone.

use automl_store::{Operation, SledStore, Store, StoreError, with_faults};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

const SECTOR_BYTES: usize = 512;
const JOURNAL: &str = "events.jsonl";
const DATABASE: &str = "store/db";

/// Contents of a study's files by their path below its folder.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What a disk held when the power failed.
pub(crate) struct Loss {
    synced: Files,
    written: Files,
    /// Records that had been acknowledged by then.
    pub(crate) acknowledged: u64,
    /// Records of these and of the batch that was under way.
    pub(crate) begun: u64,
}

/// Creates a study, appends batches of the given sizes, and returns what a loss of power at each step of
/// these appends would have met.
pub(crate) fn losses(
    dir: &Path,
    batches: impl IntoIterator<Item = u64>,
    payloads: fn(u64, u64) -> Vec<Vec<u8>>,
) -> Result<Vec<Loss>, StoreError> {
    let mut store = SledStore::create(dir)?;
    let disk = Rc::new(RefCell::new(Disk::new(dir)));
    for size in batches {
        let first = store.last_seq() + 1;
        {
            let mut disk = disk.borrow_mut();
            (disk.acknowledged, disk.begun) = (first - 1, first - 1 + size);
        }
        let watching = Rc::clone(&disk);
        let plan = move |operation| {
            watching.borrow_mut().step(operation);
            None
        };
        with_faults(plan, || store.append(&payloads(first, first + size - 1)))?;
        disk.borrow_mut().settle();
    }
    drop(store);
    Ok(Rc::into_inner(disk).expect("the plans are gone").into_inner().losses)
}

struct Disk {
    dir: PathBuf,
    synced: Files,
    /// A file that is being synced, and what it held before that.
    syncing: Option<(PathBuf, Vec<u8>)>,
    acknowledged: u64,
    begun: u64,
    losses: Vec<Loss>,
}

impl Disk {
    /// A disk that holds a study which has just been created: its two files are synced by then.
    fn new(dir: &Path) -> Self {
        let mut synced = files(dir);
        synced.retain(|path, _| [Path::new(JOURNAL), Path::new(DATABASE)].contains(&path.as_path()));
        Disk { dir: dir.into(), synced, syncing: None, acknowledged: 0, begun: 0, losses: Vec::new() }
    }

    /// A step of an append begins: those before it have succeeded.
    fn step(&mut self, operation: Operation) {
        self.settle();
        let (synced, written) = (self.synced.clone(), files(&self.dir));
        let (acknowledged, begun) = (self.acknowledged, self.begun);
        let about_to_be_synced = match operation {
            Operation::DatabaseSync => Some(DATABASE),
            Operation::JournalSync => Some(JOURNAL),
            _ => None,
        };
        let content = |name: &str| Some((PathBuf::from(name), written.get(Path::new(name))?.clone()));
        self.syncing = about_to_be_synced.and_then(content);
        self.losses.push(Loss { synced, written, acknowledged, begun });
    }

    fn settle(&mut self) {
        self.synced.extend(self.syncing.take());
    }
}

impl Loss {
    /// Writes into an empty folder what may be left on the disk; `draw` gives numbers from [0, 1).
    pub(crate) fn leave(&self, dir: &Path, mut draw: impl FnMut() -> f64) -> io::Result<()> {
        for (path, written) in &self.written {
            let left = match self.synced.get(path) {
                Some(synced) => mixed(synced, written, &mut draw),
                None if draw() < 0.3 => continue,
                None if draw() < 0.5 => Vec::new(),
                None => mixed(&[], written, &mut draw),
            };
            let target = dir.join(path);
            fs::create_dir_all(target.parent().expect("a file lies in a folder"))?;
            fs::write(target, left)?;
        }
        Ok(())
    }
}

/// Chooses for each sector whether what was written since the last sync has reached the disk; sectors that a
/// longer file has gained and that were not written read as zeros.
fn mixed(synced: &[u8], written: &[u8], draw: &mut impl FnMut() -> f64) -> Vec<u8> {
    let reached = match draw() {
        share if share < 0.15 => 0.0,
        share if share < 0.3 => 1.0,
        share => share,
    };
    let grown = draw() < 0.7;
    let len = if grown { written.len().max(synced.len()) } else { synced.len() };
    let mut left = vec![0; len];
    let old = synced.len().min(len);
    left[..old].copy_from_slice(&synced[..old]);
    for at in (0..written.len().min(len)).step_by(SECTOR_BYTES) {
        let end = (at + SECTOR_BYTES).min(written.len()).min(len);
        if left[at..end] != written[at..end] && draw() < reached {
            left[at..end].copy_from_slice(&written[at..end]);
        }
    }
    left
}

/// Reads every file below a folder, but for locks.
fn files(dir: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let (Ok(content), Ok(name)) = (fs::read(&path), path.strip_prefix(dir))
                && path.extension().is_none_or(|extension| extension != "lock")
            {
                found.insert(name.to_path_buf(), content);
            }
        }
    }
    found
}

/// Numbers from [0, 1), the same ones in every run (a 64-bit linear congruential generator).
pub(crate) fn drawing(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }
}
