//! An attempt's command within a container: the argument vector of `docker run`.
//!
//! Folders are mounted at their own paths, so that a spec says the same within and without. Values of
//! variables stay out of the argument vector, where every user of the machine could read them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Program that runs containers.
const DOCKER: &str = "docker";

/// How the command of a recipe runs in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Image reference.
    pub image: String,
    /// `UID:GID` that the program runs as, so that its files belong to the user.
    pub user: Option<String>,
    /// Folders and files that the program reads, absolute.
    pub inputs: Vec<PathBuf>,
}

/// What is known of one attempt.
pub(crate) struct ContainerCall<'a> {
    pub(crate) name: String,
    pub(crate) argv: &'a [String],
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) workdir: Option<&'a Path>,
    /// Folders that the program writes to: that of its results, that of its spec.
    pub(crate) outputs: [&'a Path; 2],
    /// Folder of the files fetched for the action, where there are any.
    pub(crate) downloads: Option<&'a Path>,
    pub(crate) gpus: &'a [u32],
}

impl Container {
    /// Returns the arguments that run an attempt's command in the container.
    ///
    /// # Errors
    /// A path that cannot be mounted.
    pub(crate) fn argv(&self, call: &ContainerCall<'_>) -> Result<Vec<String>, PathBuf> {
        let mut argv: Vec<String> = [DOCKER, "run", "--rm", "--init", "--ipc=host"].map(String::from).into();
        argv.extend(["--name".into(), call.name.clone()]);
        if let Some(user) = &self.user {
            argv.extend(["--user".into(), user.clone()]);
        }
        if !call.gpus.is_empty() {
            let devices = call.gpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            argv.extend(["--gpus".into(), format!("\"device={devices}\"")]);
        }
        let inputs = self.inputs.iter().map(PathBuf::as_path).chain(call.downloads);
        for path in inputs.filter(|path| !call.outputs.iter().any(|out| path.starts_with(out))) {
            argv.extend(["--mount".into(), mount(path, ",readonly")?]);
        }
        for path in outermost(call.outputs) {
            argv.extend(["--mount".into(), mount(path, "")?]);
        }
        let workdir = call.workdir.unwrap_or(call.outputs[0]);
        argv.extend(["--workdir".into(), text(workdir)?]);
        argv.extend(call.env.keys().flat_map(|name| ["--env".into(), name.clone()]));
        argv.push(self.image.clone());
        argv.extend(call.argv.iter().cloned());
        Ok(argv)
    }
}

/// Returns the folders that lie in no other one.
fn outermost(folders: [&Path; 2]) -> Vec<&Path> {
    let [first, second] = folders;
    match (first.starts_with(second), second.starts_with(first)) {
        (true, _) => vec![second],
        (false, true) => vec![first],
        (false, false) => vec![first, second],
    }
}

/// A comma would end the path in docker's syntax.
fn mount(path: &Path, options: &str) -> Result<String, PathBuf> {
    let path_text = text(path)?;
    if path_text.contains([',', '"']) {
        return Err(path.into());
    }
    Ok(format!("type=bind,source={path_text},target={path_text}{options}"))
}

fn text(path: &Path) -> Result<String, PathBuf> {
    path.to_str().map(String::from).ok_or_else(|| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(container: &Container, gpus: &[u32], results: &str) -> Result<Vec<String>, PathBuf> {
        let env = BTreeMap::from([("API_KEY".to_string(), "swordfish".to_string())]);
        container.argv(&ContainerCall {
            name: "automl-s-1-1".into(),
            argv: &["mal".into(), "train".into(), "-e".into(), "/s/t/spec.yaml".into()],
            env: &env,
            workdir: None,
            outputs: [Path::new(results), Path::new("/s/t")],
            downloads: Some(Path::new("/s/downloads")),
            gpus,
        })
    }

    fn container(input: &str) -> Container {
        Container {
            image: "nvcr.io/x:1".into(),
            user: Some("1000:1000".into()),
            inputs: vec![input.into(), "/s/t/results/own".into()],
        }
    }

    #[test]
    fn command_mounts_what_it_needs_and_hides_values() {
        let words = argv(&container("/data/train"), &[0, 2], "/s/t/results").unwrap();
        assert_eq!(
            words.join(" "),
            "docker run --rm --init --ipc=host --name automl-s-1-1 --user 1000:1000 --gpus \"device=0,2\" \
             --mount type=bind,source=/data/train,target=/data/train,readonly \
             --mount type=bind,source=/s/downloads,target=/s/downloads,readonly \
             --mount type=bind,source=/s/t,target=/s/t --workdir /s/t/results --env API_KEY nvcr.io/x:1 \
             mal train -e /s/t/spec.yaml"
        );
    }

    #[test]
    fn folders_apart_are_both_mounted() {
        let words = argv(&container("/data"), &[], "/out").unwrap().join(" ");
        assert!(
            words.contains("source=/out,target=/out") && words.contains("source=/s/t,target=/s/t"),
            "{words}"
        );
        assert!(!words.contains("--gpus"), "{words}");
    }

    #[test]
    fn paths_that_docker_cannot_take_are_named() {
        assert_eq!(argv(&container("/a,b"), &[], "/s/t/results"), Err("/a,b".into()));
    }
}
