//! One file from anywhere, whole or not at all.

use crate::place::{Place, PlaceError};
use crate::retry::{retrying, store_refuses};
use crate::temporary;
use object_store::ObjectStoreExt as _;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use tokio::io::AsyncWriteExt;

/// Why a file cannot be fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The place cannot be used.
    #[error("cannot fetch: {0}")]
    Place(#[from] PlaceError),
    /// The store has no such file, or refuses or fails again and again.
    #[error("cannot fetch {from}: {source}")]
    Store {
        /// What was asked for.
        from: String,
        /// What the store says.
        source: object_store::Error,
    },
    /// The file cannot be written here.
    #[error("cannot fetch {from}: cannot write {}: {source}", path.display())]
    Write {
        /// What was asked for.
        from: String,
        /// The file here.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Brings a file here, unless it is here already. It gets its name when it is complete, so a file that is
/// there is whole. Blocks until then.
///
/// # Errors
/// A place that cannot be used, a file that is not there, a disk that is full.
pub fn fetch(from: &str, to: &Path) -> Result<(), FetchError> {
    if to.exists() {
        return Ok(());
    }
    let place = Place::open(from)?;
    let write = |source| FetchError::Write { from: from.into(), path: to.into(), source };
    std::fs::create_dir_all(to.parent().unwrap_or(Path::new("."))).map_err(write)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(write)?;
    let lasts = |error: &FetchError| match error {
        FetchError::Store { source, .. } => place.is_local() || store_refuses(source),
        FetchError::Place(_) | FetchError::Write { .. } => true,
    };
    let partial = temporary::beside(to);
    // The caller's thread may belong to a runtime of its own, within which no other can wait.
    let work = || runtime.block_on(retrying(lasts, || download(from, &place, &partial)));
    let fetched = std::thread::scope(|scope| scope.spawn(work).join());
    let fetched = fetched.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    match fetched {
        Ok(()) => std::fs::rename(&partial, to).map_err(write),
        Err(error) => {
            // Half a file helps nobody; if it cannot be removed it is at least named as what it is.
            let _ = std::fs::remove_file(&partial);
            Err(error)
        }
    }
}

async fn download(from: &str, place: &Place, partial: &Path) -> Result<(), FetchError> {
    let store = |source| FetchError::Store { from: from.into(), source };
    let write = |source| FetchError::Write { from: from.into(), path: partial.into(), source };
    let mut stream = place.store().get(place.path()).await.map_err(store)?.into_stream();
    let mut file = tokio::fs::File::create(partial).await.map_err(write)?;
    while let Some(chunk) = next(&mut stream).await {
        file.write_all(&chunk.map_err(store)?).await.map_err(write)?;
    }
    file.sync_all().await.map_err(write)
}

/// Returns the next item of a stream.
async fn next<S: futures_core::Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_arrive_whole() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("a b.bin");
        fs::write(&from, vec![7; 300_000]).unwrap();
        let to = dir.path().join("in/b.bin");
        fetch(&format!("file://{}", from.display()).replace(' ', "%20"), &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), vec![7; 300_000]);
        fs::write(&from, "changed").unwrap();
        fetch(from.to_str().unwrap(), &to).unwrap();
        assert_eq!(fs::read(&to).unwrap().len(), 300_000, "what is here is not fetched again");
        assert_eq!(fs::read_dir(dir.path().join("in")).unwrap().count(), 1);
    }

    #[test]
    fn missing_files_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("in/b.bin");
        let error = fetch(dir.path().join("none").to_str().unwrap(), &to).unwrap_err().to_string();
        assert!(error.starts_with("cannot fetch /") && error.contains("none"), "{error}");
        assert_eq!(fs::read_dir(dir.path().join("in")).unwrap().count(), 0);
    }
}
