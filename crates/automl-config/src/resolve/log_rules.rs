//! What is read from the logs of a network or a program, without anything else that a study needs: an
//! existing log can be looked at where the data or the program is not at hand.

use super::command::read_line_patterns;
use super::inputs::Inputs;
use super::metric;
use super::stage::launch;
use crate::catalog::Catalog;
use crate::problem::{Problems, Report};
use crate::recipe::{ErrorPattern, MetricRules, TrialRecipe};
use crate::request::NetworkRequest;

/// What is read from a log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRules {
    /// Names and patterns of metrics.
    pub metrics: MetricRules,
    /// Known failures.
    pub error_patterns: Vec<ErrorPattern>,
}

impl LogRules {
    /// Returns what is read from the logs of a network's action. Of the request only the network, the
    /// action, the metric and the files in place of the packaged ones matter.
    ///
    /// # Errors
    /// Everything that is wrong with the network's files, or with the metric.
    pub fn of_network(catalog: &Catalog, request: &NetworkRequest) -> Result<Self, Problems> {
        let inputs = Inputs::load(catalog, request)?;
        let launch = launch(&inputs, request, &mut Vec::new());
        let flag = request.metric.as_ref().map_or("--metric".into(), |text| format!("--metric '{text}'"));
        let mut report = Report::new(flag);
        let metrics = inputs.metrics();
        let objective = metric::for_network(request.metric.as_deref(), metrics, &mut Vec::new(), &mut report);
        match objective {
            None => Err(Problems(report.into_problems())),
            Some(objective) => Ok(LogRules {
                metrics: MetricRules {
                    monitoring: objective.metric,
                    available: metrics.available.clone(),
                    patterns: metrics.patterns.clone(),
                    line_patterns: launch.line_patterns,
                },
                error_patterns: launch.error_patterns,
            }),
        }
    }

    /// Returns what is read from the logs of a program of which only a metric, `NAME[:min|:max]`, and
    /// patterns of lines are known.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of_program(asked: &str, line_patterns: &[String]) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let line_patterns = read_line_patterns(line_patterns, &mut problems);
        let mut report = Report::new(format!("--metric '{asked}'"));
        let objective = metric::for_command(asked, &mut Vec::new(), &mut report);
        problems.extend(report.into_problems());
        match objective {
            Some(objective) if problems.is_empty() => Ok(LogRules {
                metrics: MetricRules {
                    monitoring: objective.metric,
                    available: Vec::new(),
                    patterns: Vec::new(),
                    line_patterns,
                },
                error_patterns: Vec::new(),
            }),
            _ => Err(Problems(problems)),
        }
    }

    /// Returns what is read from the logs of a recipe's program.
    #[must_use]
    pub fn of_recipe(recipe: &TrialRecipe) -> Self {
        LogRules { metrics: recipe.metric_rules().clone(), error_patterns: recipe.error_patterns().to_vec() }
    }
}
