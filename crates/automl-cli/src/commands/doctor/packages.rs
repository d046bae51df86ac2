//! The Python packages that networks are about: which are installed, in a version that is known.

use super::Finding;
use automl::InstalledPackage;
use automl_config::{Catalog, PackageRule};

const CHECK: &str = "packages";

/// Looks for each network's package on the PATH. A search over other networks needs none of them.
pub(super) fn check(catalog: &Catalog) -> Vec<Finding> {
    catalog.packages().iter().map(|(network, rule)| find(network, rule)).collect()
}

fn find(network: &str, rule: &PackageRule) -> Finding {
    match InstalledPackage::find(rule) {
        Err(_) => {
            let message = format!("network {network}: {} is not installed, or not on the PATH", rule.name);
            Finding::warn(CHECK, message, &rule.install)
        }
        Ok(installed) => match installed.warning(rule) {
            Some(warning) => Finding::warn(CHECK, format!("network {network}: {warning}"), &rule.install),
            None => {
                let version = installed.version.unwrap_or_default();
                let message =
                    format!("network {network}: {} {version} at {}", rule.name, installed.program.display());
                Finding::ok(CHECK, message)
            }
        },
    }
}
