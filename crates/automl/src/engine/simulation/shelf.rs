//! The checkpoints of a simulated study, as its programs wrote them: what there should be on the disk, and what
//! may be missing or broken.

use super::chance::Chance;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every checkpoint that a program wrote, or an engine copied, and nobody was allowed to delete.
#[derive(Default)]
pub(super) struct Shelf {
    files: BTreeMap<PathBuf, Entry>,
    /// Files that broke or vanished, and not by an engine's doing.
    damaged: BTreeSet<PathBuf>,
    /// Where a copy is to be, and of what.
    copies: BTreeMap<PathBuf, PathBuf>,
    /// What another action was started from.
    pinned: BTreeSet<PathBuf>,
}

struct Entry {
    written_at: u64,
    /// Whether the study's log says that it goes.
    condemned: bool,
}

/// What a checkpoint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// What a trial's program knew after an epoch.
    Whole {
        trial: u64,
        epoch: u64,
    },
    Broken,
}

impl Content {
    /// Writes it. Checkpoints of different trials differ in size.
    fn text(self) -> String {
        match self {
            Content::Whole { trial, epoch } => {
                format!("{trial} {epoch} {} end", "w".repeat(60 + 10 * (trial % 4) as usize))
            }
            Content::Broken => "1 1 w".into(),
        }
    }

    fn parse(text: &str) -> Self {
        let words: Vec<&str> = text.split(' ').collect();
        let [trial, epoch, _, "end"] = words[..] else { return Content::Broken };
        match (trial.parse(), epoch.parse()) {
            (Ok(trial), Ok(epoch)) => Content::Whole { trial, epoch },
            _ => Content::Broken,
        }
    }
}

impl Shelf {
    /// A program writes a checkpoint, or begins to.
    pub(super) fn write(&mut self, path: &Path, content: Content, now: u64) {
        fs::create_dir_all(path.parent().expect("checkpoints lie in folders")).expect("a writable folder");
        fs::write(path, content.text()).expect("a writable folder");
        self.damaged.remove(path);
        self.files.insert(path.into(), Entry { written_at: now, condemned: false });
    }

    /// A program gives a finished checkpoint its name.
    pub(super) fn rename(&mut self, from: &Path, to: &Path, content: Content, now: u64) {
        self.write(from, content, now);
        fs::rename(from, to).expect("it has just been written");
        let entry = self.files.remove(from).expect("it has just been written");
        self.damaged.remove(to);
        self.files.insert(to.into(), entry);
    }

    /// Returns what a checkpoint holds; `None` where there is none.
    pub(super) fn read(&self, path: &Path) -> Option<Content> {
        fs::read_to_string(path).ok().map(|text| Content::parse(&text))
    }

    /// Something bad happens to one of the checkpoints.
    pub(super) fn damage(&mut self, chance: &Chance) {
        let paths: Vec<&PathBuf> = self.files.keys().filter(|path| path.exists()).collect();
        if paths.is_empty() {
            return;
        }
        let path = chance.one_of(&paths).clone();
        let done = match chance.below(3) {
            0 => fs::remove_file(&path),
            1 => fs::write(&path, ""),
            _ => fs::write(&path, Content::Broken.text()),
        };
        done.expect("a writable folder");
        self.damaged.insert(path);
    }

    /// Learns that a trial begins from a copy of another one's checkpoint.
    pub(super) fn expect_copy(&mut self, source: &str, copy: &str) {
        self.copies.insert(copy.into(), source.into());
    }

    /// Tells whether nobody but the world or its program is to blame for what is wrong with a checkpoint.
    pub(super) fn is_excused(&self, path: &Path) -> bool {
        let broken = |path: &Path| self.files.contains_key(path) && self.read(path) == Some(Content::Broken);
        let source = || self.copies.get(path).is_some_and(|source| self.is_excused(source));
        self.damaged.contains(path) || broken(path) || source()
    }

    /// Tells whether a trial's checkpoint may be that of another one.
    pub(super) fn is_copy(&self, path: &Path) -> bool {
        self.copies.contains_key(path)
    }

    /// Starts another action from one of the checkpoints; returns which.
    pub(super) fn pin(&mut self, chance: &Chance) -> Option<PathBuf> {
        let paths: Vec<&PathBuf> = self.files.keys().filter(|path| path.exists()).collect();
        let path = (*paths.get(chance.below(paths.len().max(1) as u64) as usize)?).clone();
        self.pinned.insert(path.clone());
        Some(path)
    }

    /// Tells whether another action was started from a checkpoint of these results.
    pub(super) fn is_pinned(&self, results: &Path) -> bool {
        self.pinned.iter().any(|path| path.starts_with(results))
    }

    /// Tells whether something bad has happened to a checkpoint of these results.
    pub(super) fn is_damaged(&self, results: &Path) -> bool {
        self.damaged.iter().any(|path| path.starts_with(results))
    }

    /// Returns the checkpoints that should be in a folder of results, and when they were written.
    pub(super) fn of(&self, results: &Path) -> impl Iterator<Item = (&Path, u64)> {
        let here = self.files.iter().filter(move |(path, _)| path.starts_with(results));
        here.map(|(path, entry)| (path.as_path(), entry.written_at))
    }

    /// The log says that all checkpoints of these results may go but for one.
    pub(super) fn condemn(&mut self, results: &Path, keep: Option<&str>) {
        let here = self.files.iter_mut().filter(|(path, _)| path.starts_with(results));
        here.filter(|(path, _)| path.to_str() != keep).for_each(|(_, entry)| entry.condemned = true);
    }

    /// Compares with the disk; returns what was deleted and should not have been.
    pub(super) fn audit(&mut self, now: u64) -> Vec<String> {
        for copy in self.copies.keys().filter(|copy| copy.exists()) {
            let entry = Entry { written_at: now, condemned: false };
            self.files.entry(copy.clone()).or_insert(entry);
        }
        let (gone, there): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.files).into_iter().partition(|(path, _)| !path.exists());
        self.files = there;
        let mut wrongs = Vec::new();
        for (path, entry) in gone.into_iter().filter(|(path, _)| !self.damaged.contains(path)) {
            if !entry.condemned {
                wrongs.push(format!("{} was deleted and nothing says so", path.display()));
            }
            if self.pinned.contains(&path) {
                wrongs.push(format!("{} was deleted, and another action needs it", path.display()));
            }
        }
        wrongs
    }
}
