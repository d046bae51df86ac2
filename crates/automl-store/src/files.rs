//! The names of the files in a study folder, and the few operations on them that must be durable.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// Folder of the database.
pub(crate) const DATABASE_DIR: &str = "store";
/// A packed database before it takes the place of the one at work, and that one until it is removed.
pub(crate) const DATABASE_NEW_DIR: &str = "store.new";
pub(crate) const DATABASE_OLD_DIR: &str = "store.old";
/// The journal.
pub(crate) const JOURNAL_FILE: &str = "events.jsonl";
/// What was made of the log so far, to save readers the work.
pub(crate) const SNAPSHOT_FILE: &str = "snapshot";
/// Locked by the process that has the log open.
pub(crate) const STORE_LOCK_FILE: &str = "store.lock";
/// Locked by the engine that runs the study.
pub(crate) const ENGINE_LOCK_FILE: &str = "engine.lock";
/// Says who runs the study.
pub(crate) const ENGINE_FILE: &str = "engine.json";

/// Makes the names in a folder durable: a new file is only there after this.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(StoreError::io("sync the folder", dir))
}

/// Returns the first free name of the form `<name>.damaged-<n>` beside `path`, n from 1.
pub(crate) fn damaged_name(path: &Path) -> PathBuf {
    let name = path.file_name().expect("a store path ends in a name").to_string_lossy().into_owned();
    (1u64..)
        .map(|n| path.with_file_name(format!("{name}.damaged-{n}")))
        .find(|candidate| !candidate.exists())
        .expect("a folder holds fewer than 2^64 files")
}

/// Moves a file or folder aside under its damaged name, durably, and returns that name.
pub(crate) fn move_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let aside = damaged_name(path);
    fs::rename(path, &aside).map_err(StoreError::io("move aside", path))?;
    sync_dir(path.parent().expect("a store path has a folder"))?;
    Ok(aside)
}

/// Keeps a second name for a file that is about to be replaced, and returns that name.
///
/// The first name stays in place, so that a crash before the replacement loses nothing.
pub(crate) fn keep_copy(path: &Path) -> Result<PathBuf, StoreError> {
    let aside = damaged_name(path);
    fs::hard_link(path, &aside)
        .or_else(|_| fs::copy(path, &aside).map(drop))
        .map_err(StoreError::io("keep a copy of", path))?;
    Ok(aside)
}

/// Replaces a file by new content: readers see the old or the new one, never a part.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

/// Returns the last part of a path for a note to the user.
pub(crate) fn short(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
