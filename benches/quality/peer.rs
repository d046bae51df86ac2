//! Samplers of other projects, asked through a Python process, and their remembered results.
//!
//! One process for each thread and peer, spoken to by one JSON object a line: `create`, then `ask` and `tell`, and
//! `report` where learning curves are searched (see `peers.py`). Functions stay here; the process sees the space and the values told.
//!
//! A peer's run takes seconds to minutes and never changes, so it is remembered in a folder that git ignores,
//! under everything it depends on: the instance's fingerprint, the setup, the package's pinned version, and
//! the revision of the code that drives it.

use crate::asker::{Asker, PeerKind};
use crate::peer_training::{Tuner, Wanted, train_with};
use crate::race::{Durations, Outcome, Setup, race};
use crate::subject::Instance;
use crate::trade::{Trader, trade};
use automl_core::{ParamValue, Params, SearchSpace, TrialId};
use automl_testkit::problems::{CurveDefinition, Reading};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The peers of one thread.
pub(crate) struct Peers {
    /// Folder of the virtual environments.
    environments: PathBuf,
    processes: BTreeMap<&'static str, Process>,
}

impl Peers {
    pub(crate) fn new(environments: Option<PathBuf>) -> Self {
        Peers {
            environments: environments.unwrap_or_else(|| folder().join(".venv")),
            processes: BTreeMap::new(),
        }
    }

    /// Returns the remembered outcome of a run, or makes it now.
    pub(crate) fn outcome(
        &mut self,
        kind: &'static PeerKind,
        instance: &Instance,
        setup: Setup,
    ) -> Result<Outcome, String> {
        if let Some(outcome) = remembered(kind, instance, setup)? {
            return Ok(outcome);
        }
        let path = remembered_at(kind, instance, setup)?;
        if !self.processes.contains_key(kind.name) {
            let (environment, _) = kind.environment.parts();
            let python = self.environments.join(environment).join("bin/python");
            self.processes.insert(kind.name, Process::start(&python, kind)?);
        }
        let process = self.processes.get_mut(kind.name).expect("started above");
        let mut session = Session::new(process, instance, setup)?;
        let outcome = match instance {
            Instance::Problem(problem) => race(problem, &mut session, setup)?,
            Instance::Curves(_, curves) => train_with(curves, &mut session, kind.resumes, setup)?,
            Instance::Objectives(problem) => trade(problem, &mut session, setup)?,
        };
        remember(&path, &outcome)?;
        Ok(outcome)
    }
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/quality"))
}

/// Returns the outcome of a run that was made before; `None` where it was not, or its file is damaged.
pub(crate) fn remembered(
    kind: &PeerKind,
    instance: &Instance,
    setup: Setup,
) -> Result<Option<Outcome>, String> {
    let text = fs::read_to_string(remembered_at(kind, instance, setup)?);
    let json = text.ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    Ok(json.as_ref().and_then(Outcome::from_json))
}

fn remembered_at(kind: &PeerKind, instance: &Instance, setup: Setup) -> Result<PathBuf, String> {
    let version = pinned_version(kind)?;
    let durations = match setup.durations {
        Durations::Constant => "",
        Durations::Random => "-random",
    };
    let file = format!(
        "{}-{}-{}x{}{durations}-{:016x}.json",
        instance.name(),
        setup.seed,
        setup.evaluations,
        setup.workers,
        instance.fingerprint()
    );
    Ok(folder().join(".cache").join(format!("{}-{version}-r{}", kind.name, kind.revision)).join(file))
}

fn pinned_version(kind: &PeerKind) -> Result<&'static str, String> {
    let (environment, requirements) = kind.environment.parts();
    let mut pins = requirements.lines().filter_map(|line| line.split_once("=="));
    let found = pins.find(|(name, _)| name.trim() == kind.package).map(|(_, version)| version.trim());
    found.ok_or_else(|| format!("requirements/{environment}.txt does not pin {}", kind.package))
}

/// Writes beside the place and renames, so that a killed comparison leaves no half result.
fn remember(path: &Path, outcome: &Outcome) -> Result<(), String> {
    let told = |why: std::io::Error| format!("cannot write {}: {why}", path.display());
    fs::create_dir_all(path.parent().expect("a file in a folder")).map_err(told)?;
    let partial = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&partial, outcome.to_json().to_string()).map_err(told)?;
    fs::rename(&partial, path).map_err(told)
}

/// A Python process that drives one kind of peer.
struct Process {
    child: Child,
    /// Closed before the process is waited for: that is how it learns of the end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    name: &'static str,
}

impl Process {
    fn start(python: &Path, kind: &PeerKind) -> Result<Self, String> {
        if !python.exists() {
            return Err(format!("{} is missing; `make bench-peers` sets it up", python.display()));
        }
        let mut command = Command::new(python);
        command.arg(folder().join("peers.py")).arg(kind.driver).stdin(Stdio::piped()).stdout(Stdio::piped());
        // One thread each: processor time is compared, and several processes run at a time.
        for variable in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(variable, "1");
        }
        let mut child = command.spawn().map_err(|why| format!("cannot start {}: {why}", python.display()))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("piped above"));
        Ok(Process { child, input, output, name: kind.name })
    }

    fn call(&mut self, request: &Value) -> Result<Value, String> {
        let gone = |why: std::io::Error| format!("{} has ended: {why}", self.name);
        let input = self.input.as_mut().expect("closed at the end only");
        writeln!(input, "{request}").map_err(gone)?;
        let mut line = String::new();
        if self.output.read_line(&mut line).map_err(gone)? == 0 {
            return Err(format!("{} has ended; what it said is above", self.name));
        }
        let answer: Value =
            serde_json::from_str(&line).map_err(|why| format!("{} answered `{line}`: {why}", self.name))?;
        match answer["error"].as_str() {
            Some(why) => Err(format!("{}: {why}", self.name)),
            None => Ok(answer),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        // A peer that cannot end in order has nothing left that matters.
        let _ = self.child.wait();
    }
}

/// One run in a process.
struct Session<'a> {
    process: &'a mut Process,
    space: &'a SearchSpace,
    seconds: f64,
}

impl<'a> Session<'a> {
    fn new(process: &'a mut Process, instance: &'a Instance, setup: Setup) -> Result<Self, String> {
        let space = instance.space();
        let mut create = json!({
            "create": space, "seed": setup.seed, "evaluations": setup.evaluations, "workers": setup.workers,
        });
        match instance {
            Instance::Problem(_) => {}
            Instance::Curves(..) => create["epochs"] = CurveDefinition::EPOCHS.into(),
            Instance::Objectives(problem) => {
                create["objectives"] = problem.reference().len().into();
                create["constraints"] = problem.constraints().into();
            }
        }
        process.call(&create)?;
        Ok(Session { process, space, seconds: 0.0 })
    }

    fn call(&mut self, request: &Value) -> Result<Value, String> {
        let answer = self.process.call(request)?;
        self.seconds += answer["seconds"].as_f64().unwrap_or(0.0);
        Ok(answer)
    }

    /// A value as our space has it: Python says `1.0` for a whole number now and then.
    fn value(&self, name: &str, json: &Value) -> Option<ParamValue> {
        let value = ParamValue::from_json(json)?;
        let distribution = &self.space.get(name)?.distribution;
        if distribution.contains(&value) {
            return Some(value);
        }
        distribution.to_unit(&value).map(|unit| distribution.from_unit(unit))
    }
}

impl Session<'_> {
    /// The configuration in an answer, `None` where there is none.
    fn params(&self, answer: &Value) -> Result<Option<Params>, String> {
        let Some(values) = answer["params"].as_object() else { return Ok(None) };
        let read = |(name, json): (&String, &Value)| {
            let value = self.value(name, json);
            value
                .map(|value| (name.clone(), value))
                .ok_or_else(|| format!("{name} = {json} is not of the space"))
        };
        values.iter().map(read).collect::<Result<Params, String>>().map(Some)
    }
}

impl Asker for Session<'_> {
    fn ask(&mut self, trial: TrialId) -> Result<Option<Params>, String> {
        let answer = self.call(&json!({"ask": trial}))?;
        self.params(&answer)
    }

    fn tell(&mut self, trial: TrialId, value: Option<f64>) -> Result<(), String> {
        self.call(&json!({"tell": trial, "value": value})).map(|_| ())
    }

    fn seconds(&self) -> f64 {
        self.seconds
    }
}

impl Trader for Session<'_> {
    fn tell_all(&mut self, trial: TrialId, reading: &Reading) -> Result<(), String> {
        let Reading { values, violations } = reading;
        self.call(&json!({"tell": trial, "values": values, "violations": violations})).map(|_| ())
    }
}

impl Tuner for Session<'_> {
    fn ask(&mut self, trial: TrialId) -> Result<Option<Wanted>, String> {
        let answer = self.call(&json!({"ask": trial}))?;
        let until = answer["until"].as_u64();
        Ok(self.params(&answer)?.map(|params| Wanted { params, until }))
    }

    fn report(&mut self, trial: TrialId, epoch: u64, value: f64) -> Result<bool, String> {
        let answer = self.call(&json!({"report": trial, "epoch": epoch, "value": value}))?;
        answer["stop"].as_bool().ok_or_else(|| format!("no word about stopping in {answer}"))
    }

    fn tell(&mut self, trial: TrialId, value: f64) -> Result<(), String> {
        Asker::tell(self, trial, Some(value))
    }

    fn seconds(&self) -> f64 {
        self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asker::{CURVE_PEERS, OBJECTIVE_PEERS, PEERS};
    use automl_testkit::problems::definitions;

    #[test]
    fn every_peer_has_a_pinned_version() {
        for peer in PEERS.iter().chain(&CURVE_PEERS).chain(&OBJECTIVE_PEERS) {
            pinned_version(peer).unwrap();
        }
    }

    #[test]
    fn remembered_results_belong_to_instance_setup_and_version() {
        let setup = Setup { evaluations: 50, workers: 1, durations: Durations::Constant, seed: 1 };
        let bowl = |seed| Instance::Problem(definitions()[0].instance(seed));
        let at = |instance: &Instance, setup| remembered_at(&PEERS[0], instance, setup).unwrap();
        let first = at(&bowl(1), setup);
        assert_eq!(first, at(&bowl(1), setup));
        for other in [
            at(&bowl(2), setup),
            at(&bowl(1), Setup { evaluations: 51, ..setup }),
            at(&bowl(1), Setup { workers: 4, ..setup }),
            at(&bowl(1), Setup { durations: Durations::Random, ..setup }),
            remembered_at(&PEERS[1], &bowl(1), setup).unwrap(),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn missing_interpreter_is_told_with_the_remedy() {
        let mut peers = Peers::new(Some("/nowhere".into()));
        let setup = Setup { evaluations: 3, workers: 1, durations: Durations::Constant, seed: 999 };
        let bowl = Instance::Problem(definitions()[0].instance(999));
        let message = peers.outcome(&PEERS[0], &bowl, setup).unwrap_err();
        assert!(
            message.contains("/nowhere/main/bin/python") && message.contains("make bench-peers"),
            "{message}"
        );
    }
}
