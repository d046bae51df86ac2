//! From the image that a network config names to the container of a recipe.

use crate::files;
use crate::problem::{Code, Problem};
use crate::recipe::Container;
use crate::request::ContainerRequest;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Variable that says which image a symbol stands for.
const IMAGE_VARIABLE: &str = "AUTOML_IMAGE_";

/// Resolves the image and collects what has to be mounted: every absolute path of the spec that is there.
pub(super) fn resolve(
    request: &ContainerRequest,
    image: Option<&str>,
    spec: &Value,
    further: impl Iterator<Item = PathBuf>,
) -> Result<Container, Problem> {
    let plain =
        |message: String| Problem::plain("--container", "api_params.image", Code::MissingKey, message);
    let Some(name) = image else {
        return Err(plain("the network config names no image".into()).with_hint("use --container none"));
    };
    let known = request.images.iter().find(|(symbol, _)| symbol == name).map(|(_, image)| image.as_str());
    let reference = name.contains(['/', ':']).then_some(name);
    let Some(image) = known.or(reference) else {
        let hint = format!("set {IMAGE_VARIABLE}{name}=REGISTRY/IMAGE:TAG");
        return Err(plain(format!("`{name}` stands for an image, and nothing says which")).with_hint(hint));
    };
    let mut paths: BTreeSet<PathBuf> = further.collect();
    collect_paths(spec, &mut paths);
    paths.retain(|path| path.is_absolute() && files::exists(path));
    let inner = |path: &PathBuf| paths.iter().any(|outer| outer != path && path.starts_with(outer));
    let inputs = paths.iter().filter(|path| !inner(path)).cloned().collect();
    Ok(Container { image: image.into(), user: request.user.clone(), inputs })
}

fn collect_paths(value: &Value, paths: &mut BTreeSet<PathBuf>) {
    match value {
        Value::String(text) if text.starts_with('/') && text.len() > 1 => {
            paths.insert(text.into());
        }
        Value::Array(items) => items.iter().for_each(|item| collect_paths(item, paths)),
        Value::Object(map) => map.values().for_each(|value| collect_paths(value, paths)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn symbols_need_an_image_and_references_do_not() {
        let request = ContainerRequest { images: vec![("TAO".into(), "r/tao:1".into())], user: None };
        let image = |name: Option<&str>| {
            let resolved = resolve(&request, name, &Value::Null, std::iter::empty());
            resolved.map(|container| container.image).map_err(|problem| problem.to_string())
        };
        assert_eq!(image(Some("TAO")), Ok("r/tao:1".into()));
        assert_eq!(image(Some("own:2")), Ok("own:2".into()));
        assert_eq!(
            image(Some("VILA")),
            Err("--container: error: api_params.image: `VILA` stands for an image, and nothing says which (set AUTOML_IMAGE_VILA=REGISTRY/IMAGE:TAG)".into())
        );
        assert!(image(None).unwrap_err().contains("names no image"));
    }

    #[test]
    fn paths_of_the_spec_are_mounted_once() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let spec = json!({"a": dir.path(), "b": [inner], "c": "/no/such/path", "d": "relative"});
        let container =
            resolve(&ContainerRequest::default(), Some("i:1"), &spec, std::iter::empty()).unwrap();
        assert_eq!(container.inputs, [dir.path()]);
    }
}
