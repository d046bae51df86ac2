//! What users ask of a study from outside of its engine: small files in `wishes/`.
//!
//! A wish is written whole, by rename, whether an engine runs or not. The engine that runs, or the next
//! one, turns it into events and removes the file only when these are durable; so a wish is never lost
//! by a crash, and acting on one twice does no harm (an enqueued configuration carries the file's name
//! and counts once). Names begin with the time, so that wishes are granted in the order they were made.

use crate::clock::now_ms;
use crate::files::{self, StudyDir};
use automl_core::{Params, TrialId};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::PathBuf;

/// Something that a user wants of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
pub enum Wish {
    /// Try this configuration next.
    Enqueue {
        /// Its values, complete.
        params: Params,
    },
    /// End running trials gracefully, then the engine.
    Stop,
    /// Start nothing new; end the engine when the running trials have ended.
    Pause,
    /// Give a trial up.
    Cancel {
        /// The trial.
        trial: TrialId,
    },
    /// Change limits; absent ones stay.
    Set {
        /// Number of trials in all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trials: Option<u64>,
        /// Wall-clock limit in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
        /// Number of trials that run at a time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parallel: Option<u32>,
        /// Largest fidelity.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_fidelity: Option<u64>,
        /// New bounds of parameters, `name=values` each.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        bounds: Vec<String>,
    },
}

/// A wish as it was found.
pub(crate) struct Left {
    /// Name of its file, unlike that of any other.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// What is wished, or why it cannot be understood.
    pub(crate) wish: Result<Wish, String>,
}

/// Leaves a wish for the engine that runs the study, or the next one.
///
/// # Errors
/// What the file system reports.
pub fn leave_wish(dir: &StudyDir, wish: &Wish) -> io::Result<()> {
    let folder = dir.wishes();
    fs::create_dir_all(&folder)?;
    let (now, pid) = (now_ms(), std::process::id());
    let mut names = (0_u32..).map(|n| folder.join(format!("{now:013}-{pid}-{n}.json")));
    let path = names.find(|path| !path.exists()).expect("there are more numbers than wishes");
    let text = serde_json::to_vec(wish).expect("plain values always serialise");
    files::write(&path, &text)?;
    fs::File::open(&path)?.sync_all()
}

/// Returns the wishes that were left, oldest first.
pub(crate) fn left(dir: &StudyDir) -> Vec<Left> {
    let entries = fs::read_dir(dir.wishes()).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let text = fs::read(&path).map_err(|error| error.to_string());
        let wish = text.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
        Left { name, path, wish }
    };
    paths.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_found_in_the_order_they_were_made() {
        let root = tempfile::tempdir().unwrap();
        let dir = StudyDir::new(root.path(), "s");
        assert!(left(&dir).is_empty());
        let wishes = [Wish::Stop, Wish::Cancel { trial: TrialId(3) }, Wish::Pause];
        for wish in &wishes {
            leave_wish(&dir, wish).unwrap();
        }
        fs::write(dir.wishes().join("z.json"), "{").unwrap();
        fs::write(dir.wishes().join("half.json.tmp"), "{").unwrap();
        let found = left(&dir);
        assert_eq!(found.len(), 4);
        for (found, made) in found.iter().zip(&wishes) {
            assert_eq!(found.wish.as_ref(), Ok(made));
        }
        assert!(found[3].wish.is_err());
    }
}
