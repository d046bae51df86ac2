//! `automl networks`.

use crate::args::NetworksArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::Project;
use crate::render::table::{Align, Table};
use crate::render::value;
use automl_config::{Catalog, NetworkRequest, NetworkSummary, ParameterRow, resolve_network};
use automl_core::{ParamValue, Scale};
use serde_json::{Value, json, to_value};

/// Action shown where a network is looked at without one.
const USUAL_ACTION: &str = "train";

/// Lists the networks, or shows one, or one of its actions.
pub(super) fn run(args: &NetworksArgs, project: &Project, output: Output) -> Result<Exit, Failure> {
    let catalog = project.catalog_with(&args.skill)?;
    match (&args.network, &args.action) {
        (None, _) => list(&catalog, output)?,
        (Some(network), None) => network_page(&catalog, network, output)?,
        (Some(network), Some(action)) => parameters(&catalog, network, action, output)?,
    }
    Ok(Exit::Done)
}

fn list(catalog: &Catalog, output: Output) -> Result<(), Failure> {
    let networks = catalog.networks();
    if output.json {
        return networks.iter().try_for_each(|network| output.object(&summary(network)));
    }
    let mut table = Table::new([
        ("network", Align::Left),
        ("metric", Align::Left),
        ("data", Align::Left),
        ("actions", Align::Left),
        ("description", Align::Left),
    ]);
    for network in networks {
        table.row([
            network.name,
            network.metric.unwrap_or_else(|| "-".into()),
            network.dataset_type.unwrap_or_else(|| "-".into()),
            network.actions.join(","),
            network.description,
        ]);
    }
    output.table(&table)
}

fn network_page(catalog: &Catalog, name: &str, output: Output) -> Result<(), Failure> {
    let networks = catalog.networks();
    let Some(network) = networks.iter().find(|network| network.name == name) else {
        return Err(unknown(catalog, name));
    };
    if output.json {
        return output.object(&summary(network));
    }
    let metric = network.metric.as_deref().unwrap_or("none of its own");
    output.data(&format!("{}  {}", network.name, network.description))?;
    output.data(&format!("metric      {metric}"))?;
    output.data(&format!("data        {}", network.dataset_type.as_deref().unwrap_or("-")))?;
    output.data(&format!("actions     {}", network.actions.join(", ")))?;
    output.data(&format!("searchable  {}", network.searchable.join(", ")))?;
    if network.searchable.iter().any(|action| action == USUAL_ACTION) {
        output.data("")?;
        parameters(catalog, name, USUAL_ACTION, output)?;
    }
    Ok(())
}

fn parameters(catalog: &Catalog, network: &str, action: &str, output: Output) -> Result<(), Failure> {
    let parameters = catalog.parameters(network, action)?;
    if output.json {
        return parameters
            .parameters
            .iter()
            .try_for_each(|row| output.object(&to_value(row).unwrap_or_default()));
    }
    let mut table = Table::new([
        ("parameter", Align::Left),
        ("type", Align::Left),
        ("default", Align::Left),
        ("values", Align::Left),
        ("automl", Align::Left),
        ("description", Align::Left),
    ]);
    for row in &parameters.parameters {
        table.row([
            row.name.clone(),
            row.kind.clone(),
            default(row),
            values(row),
            flags(row).into(),
            row.description.clone(),
        ]);
    }
    output.table(&table)
}

fn summary(network: &NetworkSummary) -> Value {
    to_value(network).unwrap_or_else(|_| json!({"name": network.name}))
}

/// The error of a run over a network that does not exist, which knows the nearest names.
fn unknown(catalog: &Catalog, name: &str) -> Failure {
    match resolve_network(catalog, &NetworkRequest::new(name)) {
        Err(problems) => problems.into(),
        Ok(_) => Failure::new(Exit::Usage, format!("network `{name}` cannot be shown")),
    }
}

fn default(row: &ParameterRow) -> String {
    match ParamValue::from_json(&row.default) {
        Some(default) => value::param(&default),
        None => "-".into(),
    }
}

fn values(row: &ParameterRow) -> String {
    if !row.options.is_empty() {
        return row.options.iter().map(ToString::to_string).collect::<Vec<_>>().join("|");
    }
    let bound = |bound: Option<f64>| bound.filter(|b| b.is_finite()).map_or_else(String::new, value::number);
    match (row.minimum, row.maximum, row.scale) {
        (None, None, _) => "-".into(),
        (low, high, Some(Scale::Log)) => format!("{}..{}:log", bound(low), bound(high)),
        (low, high, _) => format!("{}..{}", bound(low), bound(high)),
    }
}

fn flags(row: &ParameterRow) -> &'static str {
    match (row.searched_by_default, row.automl) {
        (true, _) => "default",
        (false, Some(true)) => "yes",
        (false, Some(false)) => "no",
        (false, None) => "-",
    }
}
