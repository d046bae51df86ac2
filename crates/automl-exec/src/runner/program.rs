//! Starts the program of an attempt.
//!
//! `posix_spawn` and not the standard library's `Command`: the latter lets the child inherit the signal
//! mask (and SIGINT, SIGTERM blocked for ever would make a program that nobody can end gracefully), and
//! it would cost a hook between fork and exec to change that. Here the program starts with no signal
//! blocked, default handlers, its own process group, `/dev/null` as standard input, and both logs opened
//! for appending.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{AccessFlags, Pid, access};
use rustix::process::{Rlimit, prlimit};

use crate::LaunchSpec;
use crate::files;
use crate::process::{MARKER, MARKER_DIR};

use super::group::PLACE;

/// What a shell searches when `PATH` is unset.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Starts the program in its working folder; the error is a sentence that names the program.
///
/// The working folder becomes that of this process too.
pub(super) fn start(spec: &LaunchSpec, attempt_dir: &Path) -> Result<Pid, String> {
    let program = spec.argv.first().ok_or("cannot start a program: the argument vector is empty")?;
    env::set_current_dir(&spec.workdir)
        .map_err(|error| format!("cannot start `{program}` in {}: {error}", spec.workdir.display()))?;
    let env = environment(spec, attempt_dir);
    let path = locate(program, env.get(OsStr::new("PATH")))
        .map_err(|errno| format!("cannot start `{program}`: {}", describe(errno)))?;
    let strings =
        |error: std::ffi::NulError| format!("cannot start `{program}`: {error} in an argument or a variable");
    let args = spec
        .argv
        .iter()
        .map(|arg| CString::new(arg.as_str()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(strings)?;
    let variables = env.into_iter().map(variable).collect::<Result<Vec<_>, _>>().map_err(strings)?;

    let log = |name| files::open_log(&attempt_dir.join(name)).map_err(|e| format!("cannot open {name}: {e}"));
    let null = File::open("/dev/null").map_err(|error| format!("cannot open /dev/null: {error}"))?;
    let streams = [null, log(files::STDOUT_LOG)?, log(files::STDERR_LOG)?];
    with_open_files(spec.limits.open_files, || spawn(&path, &streams, &args, &variables))
        .map_err(|errno| format!("cannot start `{program}`: {}{}", describe(errno), hint(&path, errno)))
}

/// Starts a program that may have so many files open. It inherits the limit of this process, which needs
/// none and gets its own back; then it loses the right to raise it.
fn with_open_files(limit: Option<u64>, start: impl FnOnce() -> nix::Result<Pid>) -> nix::Result<Pid> {
    let Some(limit) = limit else { return start() };
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let limit = limit.min(hard);
    setrlimit(Resource::RLIMIT_NOFILE, limit, hard)?;
    let started = start();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
    if let Some(pid) = started.ok().and_then(|pid| rustix::process::Pid::from_raw(pid.as_raw())) {
        let both = Rlimit { current: Some(limit), maximum: Some(limit) };
        // Fails only for a program that has changed its user already; the first limit stands.
        let _ = prlimit(Some(pid), rustix::process::Resource::Nofile, both);
    }
    started
}

/// Returns the inherited environment with that of the attempt, and its marker, on top.
fn environment(spec: &LaunchSpec, attempt_dir: &Path) -> BTreeMap<OsString, OsString> {
    let mut env: BTreeMap<OsString, OsString> = env::vars_os().collect();
    env.remove(OsStr::new(PLACE));
    env.extend(spec.env.iter().map(|(name, value)| (name.into(), value.into())));
    env.insert(MARKER.into(), spec.key.to_string().into());
    env.insert(MARKER_DIR.into(), attempt_dir.into());
    env
}

fn variable((name, value): (OsString, OsString)) -> Result<CString, std::ffi::NulError> {
    let mut text = name.into_vec();
    text.push(b'=');
    text.extend(value.into_vec());
    CString::new(text)
}

/// Finds the program's file as `execvp` would: the first executable one on the path.
fn locate(program: &str, path: Option<&OsString>) -> Result<PathBuf, Errno> {
    if program.contains('/') {
        return Ok(program.into());
    }
    let path = path.map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str);
    let mut reason = Errno::ENOENT;
    for candidate in env::split_paths(path).map(|folder| folder.join(program)) {
        if fs::metadata(&candidate).is_ok_and(|meta| meta.is_file()) {
            match access(&candidate, AccessFlags::X_OK) {
                Ok(()) => return Ok(candidate),
                Err(errno) => reason = errno,
            }
        }
    }
    Err(reason)
}

fn spawn(path: &Path, streams: &[File; 3], args: &[CString], env: &[CString]) -> nix::Result<Pid> {
    let mut attr = PosixSpawnAttr::init()?;
    attr.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETPGROUP
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK,
    )?;
    attr.set_pgroup(Pid::from_raw(0))?;
    let mut defaults = SigSet::all();
    defaults.remove(Signal::SIGKILL);
    defaults.remove(Signal::SIGSTOP);
    attr.set_sigdefault(&defaults)?;
    attr.set_sigmask(&SigSet::empty())?;
    let mut actions = PosixSpawnFileActions::init()?;
    for (target, stream) in (0..).zip(streams) {
        actions.add_dup2(stream.as_raw_fd(), target)?;
    }
    posix_spawn(path, &actions, &attr, args, env)
}

fn describe(errno: Errno) -> String {
    io::Error::from(errno).to_string()
}

/// Explains the two system messages that mislead people about scripts.
fn hint(path: &Path, errno: Errno) -> &'static str {
    match errno {
        Errno::ENOENT if path.exists() => {
            "; the file is there, so the interpreter in its `#!` line is missing"
        }
        Errno::ENOEXEC => "; a script needs a `#!` line, as it is not passed to a shell",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn first_executable_on_the_path_is_taken() {
        let root = tempfile::tempdir().unwrap();
        for (folder, mode) in [("a", 0o644), ("b", 0o755), ("c", 0o755)] {
            let dir = root.path().join(folder);
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("train"), "").unwrap();
            fs::set_permissions(dir.join("train"), fs::Permissions::from_mode(mode)).unwrap();
        }
        let on = |folders: &[&str]| env::join_paths(folders.iter().map(|f| root.path().join(f))).unwrap();
        assert_eq!(locate("train", Some(&on(&["none", "b", "c"]))), Ok(root.path().join("b/train")));
        assert_eq!(locate("train", Some(&on(&["none"]))), Err(Errno::ENOENT));
        assert_eq!(locate("./train", Some(&on(&["b"]))), Ok("./train".into()));
        assert!(locate("sh", None).is_ok());
    }
}
