//! COCO detection files: images, categories and annotated boxes.
//!
//! The JSON is checked entry by entry, so that an error names the annotation at fault. Segmentations
//! stay as they are written until a mask is asked for; no image is opened here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::mask::Mask;
use super::{DataError, rle};

/// Objects of one annotation file.
#[derive(Debug)]
pub(crate) struct Coco {
    /// The annotation file.
    pub(crate) path: PathBuf,
    /// Images that hold at least one object, in order of their ids.
    pub(crate) images: Vec<ImageEntry>,
    /// Objects in the order of the file.
    pub(crate) objects: Vec<ObjectEntry>,
}

/// One image of the file.
#[derive(Debug, Clone)]
pub(crate) struct ImageEntry {
    /// COCO id.
    pub(crate) id: i64,
    /// Name below the image folder.
    pub(crate) file_name: String,
}

/// One annotated object.
#[derive(Debug, Clone)]
pub(crate) struct ObjectEntry {
    /// COCO id of the annotation.
    pub(crate) id: i64,
    /// Index into [`Coco::images`].
    pub(crate) image: usize,
    /// COCO id of the category.
    pub(crate) category: i64,
    /// The box, px.
    pub(crate) bbox: BBox,
    /// The annotation's `segmentation`, where there is one.
    pub(crate) segmentation: Option<Value>,
}

/// Axis-parallel box in image pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BBox {
    /// Left edge.
    pub(crate) x: f64,
    /// Upper edge.
    pub(crate) y: f64,
    /// Width, above zero.
    pub(crate) width: f64,
    /// Height, above zero.
    pub(crate) height: f64,
}

impl BBox {
    /// Area, px².
    pub(crate) fn area(&self) -> f64 {
        self.width * self.height
    }
}

impl Coco {
    /// Reads and checks a file; `key` is the spec key that names it. Crowds are left out.
    pub(crate) fn load(path: &Path, key: &'static str) -> Result<Self, DataError> {
        let text = std::fs::read_to_string(path).map_err(|source| DataError::AnnotationsUnreadable {
            path: path.to_owned(),
            key,
            source,
        })?;
        Self::parse(&text, path).map_err(|detail| DataError::NotCoco { path: path.to_owned(), key, detail })
    }

    fn parse(text: &str, path: &Path) -> Result<Self, String> {
        let root: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
        let names = image_names(&root)?;
        let mut raw_objects = Vec::new();
        for (index, entry) in list(&root, "annotations")?.iter().enumerate() {
            let place = format!("annotations[{index}]");
            if entry["iscrowd"].as_i64().unwrap_or(0) == 0 {
                raw_objects.push(read_object(entry, &names).map_err(|what| format!("{place}: {what}"))?);
            }
        }
        Ok(Self::from_objects(path, &names, raw_objects))
    }

    /// Numbers the images that are used, in order of their ids.
    fn from_objects(
        path: &Path,
        names: &BTreeMap<i64, String>,
        raw_objects: Vec<(i64, ObjectEntry)>,
    ) -> Self {
        let used: BTreeMap<i64, usize> = raw_objects
            .iter()
            .map(|(image_id, _)| *image_id)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .enumerate()
            .map(|(index, id)| (id, index))
            .collect();
        let images = used.keys().map(|id| ImageEntry { id: *id, file_name: names[id].clone() }).collect();
        let objects =
            raw_objects.into_iter().map(|(id, object)| ObjectEntry { image: used[&id], ..object }).collect();
        Self { path: path.to_owned(), images, objects }
    }

    /// Keeps the objects whose box area lies in [`low`, `high`] px².
    pub(crate) fn keep_sizes(&mut self, low: f64, high: f64) {
        self.objects.retain(|object| (low..=high).contains(&object.bbox.area()));
    }

    /// The true mask of an object in an image of the given size; `None` where none is annotated.
    pub(crate) fn mask(
        &self,
        object: &ObjectEntry,
        width: usize,
        height: usize,
    ) -> Result<Option<Mask>, DataError> {
        let Some(segmentation) = &object.segmentation else { return Ok(None) };
        read_mask(segmentation, width, height).map(Some).map_err(|detail| DataError::BadSegmentation {
            path: self.path.clone(),
            annotation: object.id,
            detail,
        })
    }
}

fn list<'a>(root: &'a Value, name: &str) -> Result<&'a Vec<Value>, String> {
    root[name].as_array().ok_or_else(|| format!("no list named \"{name}\""))
}

fn image_names(root: &Value) -> Result<BTreeMap<i64, String>, String> {
    let read = |entry: &Value| Some((entry["id"].as_i64()?, entry["file_name"].as_str()?.to_owned()));
    list(root, "images")?
        .iter()
        .enumerate()
        .map(|(index, entry)| read(entry).ok_or_else(|| format!("images[{index}]: needs id and file_name")))
        .collect()
}

/// The image id and the object, whose `image` is filled in later.
fn read_object(entry: &Value, names: &BTreeMap<i64, String>) -> Result<(i64, ObjectEntry), String> {
    let integer = |name: &str| entry[name].as_i64().ok_or_else(|| format!("needs a whole number {name}"));
    let image_id = integer("image_id")?;
    if !names.contains_key(&image_id) {
        return Err(format!("image_id {image_id} is not among the images"));
    }
    let segmentation = Some(&entry["segmentation"])
        .filter(|value| value.is_object() || value.as_array().is_some_and(|polygons| !polygons.is_empty()));
    let object = ObjectEntry {
        id: entry["id"].as_i64().unwrap_or(-1),
        image: 0,
        category: integer("category_id")?,
        bbox: read_box(&entry["bbox"])?,
        segmentation: segmentation.cloned(),
    };
    Ok((image_id, object))
}

fn read_box(value: &Value) -> Result<BBox, String> {
    let numbers: Option<Vec<f64>> =
        value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
    match numbers.as_deref() {
        Some(&[x, y, width, height]) if width > 0.0 && height > 0.0 => Ok(BBox { x, y, width, height }),
        Some(&[_, _, _, _]) => Err(format!("bbox {value} has no area")),
        _ => Err(format!("bbox must be [x, y, width, height], found {value}")),
    }
}

fn read_mask(segmentation: &Value, width: usize, height: usize) -> Result<Mask, String> {
    match segmentation {
        Value::Array(polygons) => {
            let mut mask = Mask::empty(width, height);
            for polygon in polygons {
                let corners: Option<Vec<f64>> =
                    polygon.as_array().and_then(|numbers| numbers.iter().map(Value::as_f64).collect());
                mask.fill_polygon(&corners.ok_or("a polygon must be a list of numbers")?);
            }
            Ok(mask)
        }
        runs => read_rle(runs, width, height),
    }
}

fn read_rle(segmentation: &Value, width: usize, height: usize) -> Result<Mask, String> {
    let size: Option<Vec<usize>> = segmentation["size"]
        .as_array()
        .and_then(|size| size.iter().map(|side| side.as_u64().map(|side| side as usize)).collect());
    if size.as_deref() != Some(&[height, width]) {
        return Err(format!("size {} differs from the image's [{height}, {width}]", segmentation["size"]));
    }
    let runs = match &segmentation["counts"] {
        Value::String(text) => rle::unpack(text),
        Value::Array(counts) => counts.iter().map(Value::as_u64).collect(),
        _ => None,
    };
    runs.and_then(|runs| rle::decode(&runs, width, height))
        .ok_or_else(|| "counts are no run lengths of that size".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Coco, String> {
        Coco::parse(text, Path::new("a.json"))
    }

    const FILE: &str = r#"{"images": [{"id": 9, "file_name": "b.png"}, {"id": 4, "file_name": "a.png"},
        {"id": 5, "file_name": "unused.png"}],
        "annotations": [
          {"id": 1, "image_id": 9, "category_id": 2, "bbox": [1, 2, 3.5, 4]},
          {"id": 2, "image_id": 4, "category_id": 1, "bbox": [0, 0, 2, 2], "iscrowd": 1},
          {"id": 3, "image_id": 4, "category_id": 1, "bbox": [0, 0, 2, 2],
           "segmentation": {"size": [2, 3], "counts": [2, 3, 1]}}],
        "categories": []}"#;

    #[test]
    fn objects_point_at_their_images() {
        let mut coco = parse(FILE).unwrap();
        let names: Vec<_> = coco.objects.iter().map(|o| coco.images[o.image].file_name.as_str()).collect();
        assert_eq!(names, ["b.png", "a.png"]);
        assert_eq!(coco.objects[0].bbox, BBox { x: 1.0, y: 2.0, width: 3.5, height: 4.0 });
        coco.keep_sizes(5.0, 100.0);
        assert_eq!(coco.objects.len(), 1);
    }

    #[test]
    fn masks_come_from_runs_and_polygons() {
        let coco = parse(FILE).unwrap();
        assert_eq!(coco.mask(&coco.objects[0], 3, 2).unwrap(), None);
        assert_eq!(coco.mask(&coco.objects[1], 3, 2).unwrap().unwrap().area(), 3);
        assert!(matches!(
            coco.mask(&coco.objects[1], 2, 2),
            Err(DataError::BadSegmentation { annotation: 3, .. })
        ));
        let square = serde_json::json!([[0, 0, 2, 0, 2, 2, 0, 2]]);
        assert_eq!(read_mask(&square, 4, 4).unwrap().area(), 4);
    }

    #[test]
    fn errors_name_the_entry() {
        let check = |text: &str, needle: &str| {
            let error = parse(text).unwrap_err();
            assert!(error.contains(needle), "{error}");
        };
        check("not json", "no JSON");
        check("{}", "\"images\"");
        check(r#"{"images": [{"id": 1}], "annotations": []}"#, "images[0]");
        let annotated = |entry: &str| {
            format!(r#"{{"images": [{{"id": 1, "file_name": "a"}}], "annotations": [{entry}]}}"#)
        };
        check(&annotated(r#"{"image_id": 2, "category_id": 1, "bbox": [0,0,1,1]}"#), "image_id 2");
        check(&annotated(r#"{"image_id": 1, "category_id": 1, "bbox": [0,0,1]}"#), "annotations[0]: bbox");
        check(&annotated(r#"{"image_id": 1, "category_id": 1, "bbox": [0,0,0,1]}"#), "no area");
    }
}
