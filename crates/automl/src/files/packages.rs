//! Finds the installed Python package of a network and its version, without starting it: importing such a
//! package takes many seconds.
//!
//! A package's console script begins with the path of its interpreter; beside that lies the folder with the
//! installed packages, and in it one `<name>-<version>.dist-info` for each.

use super::{ProgramError, find_program};
use automl_config::PackageRule;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledPackage {
    /// Its program.
    pub program: PathBuf,
    /// Its version; `None` where nothing beside its interpreter tells.
    pub version: Option<String>,
}

impl InstalledPackage {
    /// Looks for a package on the PATH.
    ///
    /// # Errors
    /// If its program is not there; the message has the command that installs it.
    pub fn find(rule: &PackageRule) -> Result<Self, ProgramError> {
        let missing = |error| match error {
            ProgramError::NotFound { name, searched, .. } => {
                let hint =
                    format!("; install {} and put its programs on the PATH: {}", rule.name, rule.install);
                ProgramError::NotFound { name, searched, hint }
            }
            other @ ProgramError::NotExecutable { .. } => other,
        };
        let program = find_program(&rule.program, Path::new("/")).map_err(missing)?;
        let version = version(&program, &rule.name);
        Ok(InstalledPackage { program, version })
    }

    /// Returns what to warn of: a version that the network does not know.
    #[must_use]
    pub fn warning(&self, rule: &PackageRule) -> Option<String> {
        match &self.version {
            Some(version) => rule.warning(version),
            None => Some(format!(
                "{}: nothing tells its version; the network is known to work with {} {}",
                self.program.display(),
                rule.name,
                rule.versions.join(", ")
            )),
        }
    }
}

fn version(program: &Path, package: &str) -> Option<String> {
    let mut line = String::new();
    BufReader::new(fs::File::open(program).ok()?).read_line(&mut line).ok()?;
    let interpreter = line.strip_prefix("#!")?.split_whitespace().next()?;
    let library = Path::new(interpreter).parent()?.parent()?.join("lib");
    let pythons = fs::read_dir(library).ok()?.flatten().map(|entry| entry.path().join("site-packages"));
    let prefix = format!("{}-", package.replace('-', "_"));
    let version_in = |folder: PathBuf| {
        let names = fs::read_dir(folder).ok()?.flatten().filter_map(|e| e.file_name().into_string().ok());
        names
            .filter_map(|name| Some(name.strip_prefix(&prefix)?.strip_suffix(".dist-info")?.to_string()))
            .max()
    };
    pythons.filter_map(version_in).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(program: &str) -> PackageRule {
        let text = format!(
            r#"{{"name": "sleap-nn", "program": "{program}", "versions": ["0.3.5"], "install": "pip install sleap-nn"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn version_is_read_beside_the_interpreter() {
        let venv = tempfile::tempdir().unwrap();
        let site = venv.path().join("lib/python3.12/site-packages/sleap_nn-0.3.4.dist-info");
        fs::create_dir_all(site).unwrap();
        fs::create_dir_all(venv.path().join("bin")).unwrap();
        let script = venv.path().join("bin/sleap-nn");
        fs::write(&script, format!("#!{}/bin/python\nimport sys\n", venv.path().display())).unwrap();
        assert_eq!(version(&script, "sleap-nn").as_deref(), Some("0.3.4"));
        assert_eq!(version(&script, "other"), None);
        let found = InstalledPackage { version: version(&script, "sleap-nn"), program: script };
        assert!(found.warning(&rule("sleap-nn")).unwrap().starts_with("sleap-nn 0.3.4 is installed"));
    }

    #[test]
    fn missing_packages_come_with_their_command() {
        let error = InstalledPackage::find(&rule("no-such-program-anywhere")).unwrap_err();
        assert!(error.to_string().ends_with(": pip install sleap-nn"), "{error}");
    }
}
