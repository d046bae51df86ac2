//! The project around the working folder: its `automl.toml`, its root of studies, its catalogue.

use crate::args::{Global, SkillArgs};
use crate::exit::Failure;
use crate::render::value::shell_word;
use automl::StudyDir;
use automl_config::{Catalog, Settings};
use std::env;
use std::path::{Path, PathBuf};

/// Name of the settings file.
const SETTINGS_FILE: &str = "automl.toml";
/// Root of studies where nobody names one, in the working folder.
const DEFAULT_ROOT: &str = "studies";
/// Variable that names a folder of network configs and schemas.
const CATALOG_VARIABLE: &str = "AUTOML_CATALOG";
/// Variable that names the root of studies.
const ROOT_VARIABLE: &str = "AUTOML_ROOT";

/// Settings shared by all commands in a folder.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// The settings file, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// What it says.
    pub(crate) settings: Settings,
    /// Folder that holds the studies, absolute: programs get paths below it and start elsewhere.
    pub(crate) root: PathBuf,
}

impl Project {
    /// Reads the nearest settings file above the working folder and resolves the root.
    ///
    /// # Errors
    /// What is wrong with the settings file.
    pub(crate) fn open(global: &Global) -> Result<Self, Failure> {
        let here = env::current_dir().unwrap_or_default();
        let file = find_upwards(&here);
        let settings = file.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
        let named = global.root.clone().filter(|root| !root.as_os_str().is_empty());
        let root = named.or_else(|| settings.run.root.clone());
        let root = here.join(root.unwrap_or_else(|| DEFAULT_ROOT.into()));
        Ok(Project { file, settings, root })
    }

    /// Returns the catalogue of networks: the packaged one, with a folder of the user's own on top.
    pub(crate) fn catalog(&self) -> Catalog {
        let folder = env::var_os(CATALOG_VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        match folder.or_else(|| self.settings.run.catalog.clone()) {
            Some(folder) => Catalog::with_folder(folder),
            None => Catalog::embedded(),
        }
    }
}

impl Project {
    /// Returns the catalogue with the folder of a skill in front, where one is named.
    ///
    /// # Errors
    /// If the folder is none of a skill.
    pub(crate) fn catalog_with(&self, skill: &SkillArgs) -> Result<Catalog, Failure> {
        match &skill.skill_dir {
            Some(folder) => Ok(self.catalog().with_skill(folder.clone())?),
            None => Ok(self.catalog()),
        }
    }
}

/// Returns a path as short as it can be written in the working folder.
pub(crate) fn shown(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// Returns what names a study on a command line typed here: its name where it lies in the usual root,
/// else its folder, as a shell needs it.
pub(crate) fn study_word(dir: &StudyDir) -> String {
    let usual = Global { root: env::var_os(ROOT_VARIABLE).map(PathBuf::from), ..Global::default() };
    let in_usual_root = |project: Project| project.root.join(dir.name()) == dir.path();
    if Project::open(&usual).is_ok_and(in_usual_root) {
        return dir.name();
    }
    let path = shown(dir.path());
    shell_word(&if path.contains('/') { path } else { format!("./{path}") })
}

fn find_upwards(from: &Path) -> Option<PathBuf> {
    from.ancestors().map(|folder| folder.join(SETTINGS_FILE)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_settings_file_counts() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(dir.path().join(SETTINGS_FILE), "").unwrap();
        assert_eq!(find_upwards(&inner), Some(dir.path().join(SETTINGS_FILE)));
        std::fs::write(dir.path().join("a").join(SETTINGS_FILE), "").unwrap();
        assert_eq!(find_upwards(&inner), Some(dir.path().join("a").join(SETTINGS_FILE)));
    }
}
