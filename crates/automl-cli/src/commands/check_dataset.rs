//! `automl check DIR --network NETWORK`: whether a dataset is what a network needs.

use crate::args::Intent;
use crate::datasets;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::shown;
use automl_config::{Catalog, Datasets, NetworkRequest, Problem, check_dataset};
use std::path::{Path, PathBuf};

/// Checks datasets, one by one, and shows what each lacks.
pub(super) fn run(
    paths: &[PathBuf],
    intent: Option<Intent>,
    request: &NetworkRequest,
    catalog: &Catalog,
    show: impl Fn(&Problem) -> Result<(), Failure>,
    output: Output,
) -> Result<Exit, Failure> {
    let mut broken = 0;
    for path in paths {
        let mut request = NetworkRequest { datasets: placed(path, intent), ..request.clone() };
        let mut checked = check_dataset(catalog, &request)?;
        while !checked.archives.is_empty() {
            datasets::unpack_all(checked.archives, &mut request.datasets, output)?;
            checked = check_dataset(catalog, &request)?;
        }
        checked.notes.iter().for_each(|note| output.say(&format!("note: {note}")));
        broken += usize::from(!checked.problems.is_empty());
        checked.problems.iter().try_for_each(&show)?;
        if checked.problems.is_empty() {
            output.say(&format!("{}: has what `{}` needs", shown(path), request.network));
        }
    }
    Ok(if broken == 0 { Exit::Done } else { Exit::Environment })
}

fn placed(path: &Path, intent: Option<Intent>) -> Datasets {
    let (path, none) = (path.to_path_buf(), Datasets::default());
    match intent {
        None => Datasets { own: Some(path), ..none },
        Some(Intent::Training) => Datasets { train: vec![path], ..none },
        Some(Intent::Evaluation) => Datasets { eval: Some(path), ..none },
        Some(Intent::Testing) => Datasets { inference: Some(path), ..none },
        Some(Intent::Calibration) => Datasets { calibration: Some(path), ..none },
    }
}
