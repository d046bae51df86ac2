//! The commands, one file each, and what they share.

mod action;
mod best;
mod check;
mod check_dataset;
mod check_log;
mod completions;
mod doctor;
mod dry_run;
mod explain;
mod export;
mod fsck;
mod gc;
mod import;
mod importance;
mod list;
mod logs;
mod machine;
mod networks;
mod plan;
mod replay;
mod resume;
mod run;
mod search;
mod serve;
mod status;
mod steer;
mod trials;

use crate::args::{Cli, Command};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::{Project, shown, study_word};
use automl::{StudyDir, StudyError, View, Wish, exists, list as list_studies, view};
use automl_core::{Study, Trial, TrialId};
use clap::ArgMatches;
use std::path::Path;
use std::time::SystemTime;

/// Names of studies offered where one is not found.
const OFFERED: usize = 5;

/// Runs a parsed command line.
///
/// # Errors
/// Why the command could not do its work.
pub(crate) fn dispatch(cli: Cli, matches: &ArgMatches, output: Output) -> Result<Exit, Failure> {
    let project = || Project::open(&cli.global);
    if let Command::Run(_) | Command::Action(_) | Command::Resume(_) | Command::Serve(_) = cli.command {
        machine::check()?;
    }
    match cli.command {
        Command::Run(args) => {
            let matches = matches.subcommand_matches("run").expect("the command is run");
            run::run(&args, matches, &project()?, output)
        }
        Command::Plan(args) => {
            let matches = matches.subcommand_matches("plan").expect("the command is plan");
            plan::run(*args, matches, &project()?, output)
        }
        Command::Action(args) => action::run(&args, &project()?, output),
        Command::Resume(args) => resume::run(&args, &project()?, output),
        Command::List => list::run(&project()?, output),
        Command::Status(args) => status::run(&args, &project()?, output),
        Command::Trials(args) => trials::run(&args, &project()?, output),
        Command::Best(args) => best::run(&args, &project()?, output),
        Command::Explain(args) => explain::run(&args, &project()?, output),
        Command::Importance(args) => importance::run(&args, &project()?, output),
        Command::Export(args) => export::run(&args, &project()?, output),
        Command::Import(args) => import::run(&args, &project()?, output),
        Command::Enqueue(args) => steer::enqueue(&args, &project()?, output),
        Command::Set(args) => steer::set(&args, &project()?, output),
        Command::Stop(args) => steer::end(&args, &Wish::Stop, &project()?, output),
        Command::Pause(args) => steer::end(&args, &Wish::Pause, &project()?, output),
        Command::Cancel(args) => steer::cancel(&args, &project()?, output),
        Command::Serve(args) => serve::run(&args, &project()?, output),
        Command::Logs(args) => logs::run(&args, &project()?, output),
        Command::Networks(args) => networks::run(&args, &project()?, output),
        Command::Check(args) => check::run(&args, project, output),
        Command::Replay(args) => replay::run(&args, &project()?, output),
        Command::Gc(args) => gc::run(&args, &project()?, output),
        Command::Fsck(args) => fsck::run(&args, &project()?, output),
        Command::Doctor => doctor::run(&project()?, output),
        Command::Completions(args) => completions::run(&args, output),
    }
}

/// Finds the study a command is about: the named one, a folder, or the one worked on last.
///
/// # Errors
/// If there is no such study; the message names those that are there.
fn locate(project: &Project, name: Option<&str>, output: Output) -> Result<StudyDir, Failure> {
    match name {
        Some(name) => named(&project.root, name),
        None => {
            let dir = newest(&project.root).ok_or_else(|| no_studies(&project.root))?;
            output.say(&format!("study {} (the one worked on last in {})", dir.name(), shown(&project.root)));
            Ok(dir)
        }
    }
}

/// Finds a trial by its number.
///
/// # Errors
/// If the study has no such trial.
fn find_trial(study: &Study, number: u64) -> Result<&Trial, Failure> {
    study.trials.get(&TrialId(number)).ok_or_else(|| {
        let (name, count) = (&study.settings.study, study.trials.len());
        Failure::new(Exit::Usage, format!("study {name} has no trial {number}; it has {count}"))
    })
}

/// Looks at a study without taking it.
///
/// # Errors
/// Why it cannot be read, with the way to mend a damaged log.
fn look(dir: &StudyDir) -> Result<View, Failure> {
    view(dir).map_err(|error| unusable(error, dir))
}

/// Returns the failure of a study that cannot be opened, with the way to mend a damaged log.
fn unusable(error: StudyError, dir: &StudyDir) -> Failure {
    let mut failure = Failure::from(error);
    if failure.exit == Exit::Damaged {
        failure
            .advise(&format!("`automl fsck {}` tells what is damaged and what can be kept", study_word(dir)));
    }
    failure
}

fn named(root: &Path, name: &str) -> Result<StudyDir, Failure> {
    let in_root = StudyDir::new(root, name);
    if exists(&in_root) {
        return Ok(in_root);
    }
    let folder = StudyDir::at(name.into());
    if name.contains('/') && exists(&folder) {
        return Ok(folder);
    }
    let known = list_studies(root);
    if known.is_empty() {
        let message =
            format!("no study `{name}`: there is none at all in {}; `--root` looks elsewhere", shown(root));
        return Err(Failure::new(Exit::Usage, message));
    }
    let more = if known.len() > OFFERED { ", …" } else { "" };
    let known: Vec<&str> = known.iter().take(OFFERED).map(String::as_str).collect();
    let message = format!("no study `{name}` in {}; there are {}{more}", shown(root), known.join(", "));
    Err(Failure::new(Exit::Usage, message))
}

/// Folders change when an engine comes or goes, so the newest is the one worked on last.
fn newest(root: &Path) -> Option<StudyDir> {
    let name = list_studies(root).into_iter().max_by_key(|name| touched(&root.join(name)))?;
    Some(StudyDir::new(root, &name))
}

/// Returns when a study's folder last changed.
fn touched(folder: &Path) -> SystemTime {
    let modified = std::fs::metadata(folder).and_then(|metadata| metadata.modified());
    modified.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn no_studies(root: &Path) -> Failure {
    let message =
        format!("there is no study in {}; `automl run` begins one, `--root` looks elsewhere", shown(root));
    Failure::new(Exit::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_studies_are_answered_with_those_there() {
        let root = tempfile::tempdir().unwrap();
        assert!(newest(root.path()).is_none());
        assert!(named(root.path(), "a").unwrap_err().messages[0].contains("no study `a`"));
        for name in ["b-1", "b-2"] {
            std::fs::create_dir_all(root.path().join(name).join("store")).unwrap();
        }
        assert!(named(root.path(), "a").unwrap_err().messages[0].ends_with("there are b-1, b-2"));
        assert_eq!(named(root.path(), "b-1").unwrap().name(), "b-1");
        let folder = root.path().join("b-2");
        assert_eq!(named(Path::new("/nowhere"), folder.to_str().unwrap()).unwrap().name(), "b-2");
    }
}
