//! Finds the program of a trial before any trial is started.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a program cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProgramError {
    /// Nothing of that name was found.
    #[error("program `{name}` was not found {searched}{hint}")]
    NotFound {
        /// The program as it was named.
        name: String,
        /// Where it was looked for.
        searched: String,
        /// What to do about it.
        hint: String,
    },
    /// The file cannot be executed.
    #[error("program `{}` is not an executable file; try `chmod +x`, or name its interpreter first", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
}

/// Returns the absolute path of a program: a name with a slash is taken from `workdir`, one without
/// is looked for beside this executable first and then on the PATH.
///
/// # Errors
/// If there is no such file, or it cannot be executed.
pub fn find_program(name: &str, workdir: &Path) -> Result<PathBuf, ProgramError> {
    if name.contains('/') {
        let path = workdir.join(name);
        return match is_executable(&path) {
            Some(true) => Ok(path),
            Some(false) => Err(ProgramError::NotExecutable { path }),
            None => Err(not_found(name, format!("at {}", path.display()))),
        };
    }
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = beside.into_iter().chain(std::env::split_paths(&path));
    let found = folders.map(|folder| folder.join(name)).find(|file| is_executable(file) == Some(true));
    found.ok_or_else(|| not_found(name, "beside automl or on the PATH".into()))
}

fn not_found(name: &str, searched: String) -> ProgramError {
    let hint = if name == "automl-torch" {
        "; build it with `make build`, or install both with `make install`".into()
    } else {
        String::new()
    };
    ProgramError::NotFound { name: name.into(), searched, hint }
}

/// `None`: no such file; otherwise whether somebody may execute it.
fn is_executable(path: &Path) -> Option<bool> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find_program("sh", Path::new("/")).unwrap().ends_with("sh"));
    }

    #[test]
    fn missing_and_plain_files_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("notes.txt"), "x").unwrap();
        let missing = find_program("./nothing", dir.path()).unwrap_err();
        assert!(matches!(missing, ProgramError::NotFound { .. }), "{missing}");
        let plain = find_program("./notes.txt", dir.path()).unwrap_err();
        assert!(matches!(plain, ProgramError::NotExecutable { .. }), "{plain}");
        let nowhere = find_program("no-such-program-anywhere", dir.path()).unwrap_err();
        assert!(nowhere.to_string().contains("`no-such-program-anywhere`"), "{nowhere}");
    }
}
