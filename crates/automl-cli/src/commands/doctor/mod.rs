//! `automl doctor`: tries what a search needs, and says how to mend what does not work.

mod devices;
mod machinery;
mod packages;

use crate::exit::{Exit, Failure};
use crate::output::{Output, stdout_paint};
use crate::project::Project;
use crate::render::paint::Style;
use serde_json::json;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    /// Works.
    Ok,
    /// Searches work without it, some of them worse.
    Warn,
    /// No search works without it.
    Fail,
}

impl Health {
    fn name(self) -> &'static str {
        match self {
            Health::Ok => "ok",
            Health::Warn => "warn",
            Health::Fail => "fail",
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    check: &'static str,
    health: Health,
    message: String,
    /// What to do; empty where all is well.
    fix: String,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Finding { check, health: Health::Ok, message: message.into(), fix: String::new() }
    }

    fn warn(check: &'static str, message: impl Into<String>, fix: &str) -> Self {
        Finding { check, health: Health::Warn, message: message.into(), fix: fix.into() }
    }

    fn fail(check: &'static str, message: impl Into<String>, fix: &str) -> Self {
        Finding { check, health: Health::Fail, message: message.into(), fix: fix.into() }
    }
}

/// Runs all checks and prints a line for each as it is done.
pub(super) fn run(project: &Project, output: Output) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    let mut show = |finding: Finding| {
        if finding.health == Health::Fail {
            exit = Exit::Environment;
        }
        print(&finding, output)
    };
    show(Finding::ok("version", format!("automl {}", env!("CARGO_PKG_VERSION"))))?;
    machinery::check(&project.root).into_iter().try_for_each(&mut show)?;
    devices::check().into_iter().try_for_each(&mut show)?;
    packages::check(&project.catalog()).into_iter().try_for_each(&mut show)?;
    Ok(exit)
}

fn print(finding: &Finding, output: Output) -> Result<(), Failure> {
    let Finding { check, health, message, fix } = finding;
    if output.json {
        return output
            .object(&json!({"check": check, "status": health.name(), "message": message, "fix": fix}));
    }
    let style = match health {
        Health::Ok => Style::Good,
        Health::Warn => Style::Warn,
        Health::Fail => Style::Bad,
    };
    let status = stdout_paint().paint(style, &format!("{:<5}", health.name()));
    output.data(&format!("{status} {check:<9} {message}"))?;
    if fix.is_empty() { Ok(()) } else { output.data(&format!("{:15} fix: {fix}", "")) }
}
