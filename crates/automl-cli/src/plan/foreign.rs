//! The settings of another system's search (`--settings FILE`), laid over those of `automl.toml`.

use crate::exit::{Exit, Failure};
use crate::project::Project;
use automl_config::{AutomlSettings, Catalog};
use automl_core::Direction;
use std::path::Path;

/// What the file changes.
#[derive(Debug, Default)]
pub(crate) struct Foreign {
    /// Whether there is to be a search at all.
    pub(crate) enabled: Option<bool>,
    /// Names of the flags that the file sets.
    pub(crate) names: Vec<&'static str>,
    /// What could not be taken over.
    pub(crate) notes: Vec<String>,
}

/// Reads the file and lays it over the project's settings, so that flags and variables still win.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn overlay(path: &Path, network: Option<&str>, project: &mut Project) -> Result<Foreign, Failure> {
    let settings = AutomlSettings::read(path)?;
    let mut foreign = Foreign { enabled: settings.enabled, notes: settings.notes.clone(), names: Vec::new() };
    let run = &mut project.settings.run;
    let parallel = settings.parallel.map(|n| n.to_string());
    foreign.lay("algorithm", settings.algorithm.clone(), &mut run.algorithm);
    // A population under another algorithm has become a note.
    let is_population = settings.algorithm.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("pbt"));
    let population = settings.population.zip(settings.generations).filter(|_| is_population);
    let of_population = population.map(|(size, generations)| automl::population_trials(size, generations));
    foreign.lay("trials", settings.trials.or(of_population), &mut run.trials);
    foreign.lay("parallel", parallel, &mut run.parallel);
    foreign.lay("max-fidelity", settings.max_fidelity, &mut run.max_fidelity);
    foreign.lay("min-fidelity", settings.min_fidelity, &mut run.min_fidelity);
    foreign.lay("eta", settings.eta, &mut run.eta);
    foreign.lay("early-stop", settings.early_stop.clone(), &mut run.early_stop);
    foreign.lay("keep-checkpoints", settings.keep_checkpoints.clone(), &mut run.keep_checkpoints);
    let Some(network) = network else {
        if settings.params.is_some() || !settings.bounds.is_empty() || settings.metric.is_some() {
            let message = format!("{}: parameters, ranges and metric need `--network`", path.display());
            return Err(Failure::new(Exit::Usage, message));
        }
        return Ok(foreign);
    };
    let metric = metric(&settings, network, &project.catalog());
    let defaults = project.settings.networks.entry(network.into()).or_default();
    foreign.lay("params", settings.params, &mut defaults.params);
    foreign.lay("metric", metric, &mut defaults.metric);
    if !settings.bounds.is_empty() {
        defaults.bound.extend(settings.bounds);
        foreign.names.push("bound");
    }
    Ok(foreign)
}

impl Foreign {
    fn lay<T>(&mut self, name: &'static str, value: Option<T>, target: &mut Option<T>) {
        if value.is_some() {
            *target = value;
            self.names.push(name);
        }
    }
}

/// Returns the metric with its direction; a direction alone is that of the network's own metric.
fn metric(settings: &AutomlSettings, network: &str, catalog: &Catalog) -> Option<String> {
    let own = || {
        let networks = catalog.networks();
        networks.into_iter().find(|n| n.name == network).and_then(|n| n.metric)
    };
    let name = settings.metric.clone();
    match settings.direction {
        None => name,
        Some(direction) => {
            let word = match direction {
                Direction::Minimize => "min",
                Direction::Maximize => "max",
            };
            name.or_else(own).map(|name| format!("{name}:{word}"))
        }
    }
}
