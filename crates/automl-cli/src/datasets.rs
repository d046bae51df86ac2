//! Datasets made ready: archives among them are unpacked before anything looks into them.

use crate::args::DatasetArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::shown;
use automl_config::{Catalog, Datasets, NetworkRequest, archives};
use automl_transfer::Archives;
use std::env;
use std::path::PathBuf;

/// Variable that names the folder of the cache.
const CACHE_VARIABLE: &str = "AUTOML_CACHE";
/// Archives within archives within archives; whatever goes deeper is no dataset.
const DEPTH_MAX: usize = 8;

/// Returns the datasets that flags name.
pub(crate) fn given(args: &DatasetArgs) -> Datasets {
    Datasets {
        train: args.train_dataset.clone(),
        eval: args.eval_dataset.clone(),
        inference: args.inference_dataset.clone(),
        calibration: args.calibration_dataset.clone(),
        own: args.dataset.clone(),
        ..Datasets::default()
    }
}

/// Unpacks the archives of a request's datasets, and says so in the request.
///
/// # Errors
/// An archive that cannot be unpacked, or a network that cannot be read.
pub(crate) fn unpack(catalog: &Catalog, request: &mut NetworkRequest, output: Output) -> Result<(), Failure> {
    for _ in 0..DEPTH_MAX {
        // What is wrong with the network is told when the request is resolved, with all other problems.
        let found = archives(catalog, request).unwrap_or_default();
        if found.is_empty() {
            break;
        }
        unpack_all(found, &mut request.datasets, output)?;
    }
    Ok(())
}

/// Unpacks archives into the cache.
///
/// # Errors
/// The first archive that cannot be unpacked.
pub(crate) fn unpack_all(
    found: Vec<PathBuf>,
    datasets: &mut Datasets,
    output: Output,
) -> Result<(), Failure> {
    let cache = Archives::new(cache_folder().join("archives"));
    for archive in found {
        output.say(&format!("unpacking {} (once; it is kept in the cache)", shown(&archive)));
        let folder = cache.unpack(&archive).map_err(|e| Failure::new(Exit::Environment, e.to_string()))?;
        datasets.unpacked.insert(archive, folder);
    }
    Ok(())
}

/// Returns the folder of the cache, as other programs of the system choose theirs.
fn cache_folder() -> PathBuf {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable(CACHE_VARIABLE)
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("automl")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/automl")))
        .unwrap_or_else(|| env::temp_dir().join("automl-cache"))
}
