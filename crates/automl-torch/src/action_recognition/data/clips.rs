//! Clips on the disk: `DIR/<class>/<clip>/{rgb,u,v}/<frame>.png`.
//!
//! Opening a set lists folders and checks what every clip must have; pictures are decoded when they
//! are asked for. Nothing here chooses frames.

use std::fs::DirEntry;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;

use super::ClipError;
use super::sampling::Sampling;
use crate::action_recognition::net::Modality;
use crate::action_recognition::spec::{FLOW_LENGTH, RGB_LENGTH};
use crate::picture::{ImageStore, PictureError};

/// Endings of pictures; other files of a folder are no frames.
const PICTURES: [&str; 3] = ["png", "jpg", "jpeg"];

/// Clips of one folder.
#[derive(Debug)]
pub(crate) struct ClipSet {
    /// The clips, by class index and then by name.
    pub(crate) clips: Vec<Clip>,
    images: ImageStore,
}

/// One clip.
#[derive(Debug)]
pub(crate) struct Clip {
    /// Its folder.
    pub(crate) path: PathBuf,
    /// Index of its class; `None` where clips are unlabelled.
    pub(crate) class: Option<usize>,
    /// Frames that every needed stream has.
    pub(crate) frames: usize,
    rgb: Range<usize>,
    u: Range<usize>,
    v: Range<usize>,
}

/// A picture of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plane {
    /// A frame in colours.
    Rgb,
    /// Horizontal flow.
    U,
    /// Vertical flow.
    V,
}

const PLANES: [Plane; 3] = [Plane::Rgb, Plane::U, Plane::V];

impl Plane {
    fn folder(self) -> &'static str {
        match self {
            Self::Rgb => "rgb",
            Self::U => "u",
            Self::V => "v",
        }
    }
}

impl ClipSet {
    /// Clips in folders of classes; `key` is the spec key that names `dir`.
    ///
    /// # Errors
    ///
    /// If there is no clip, a class without an index, or a clip that lacks pictures.
    pub(crate) fn labelled(
        dir: &Path,
        key: &'static str,
        classes: &[String],
        sampling: &Sampling,
    ) -> Result<Self, ClipError> {
        let mut folders = Vec::new();
        for class_dir in subfolders(dir, key)? {
            let name = class_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let class = classes.iter().position(|class| *class == name).ok_or_else(|| {
                ClipError::UnknownClass { path: class_dir.clone(), class: name, known: classes.join(", ") }
            })?;
            folders.extend(subfolders(&class_dir, key)?.into_iter().map(|clip| (clip, Some(class))));
        }
        folders.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        Self::open(dir, key, folders, sampling)
    }

    /// Clips directly in `dir`, or one folder further down, as in a labelled set.
    ///
    /// # Errors
    ///
    /// As [`Self::labelled`].
    pub(crate) fn unlabelled(dir: &Path, key: &'static str, sampling: &Sampling) -> Result<Self, ClipError> {
        let mut folders = Vec::new();
        for folder in subfolders(dir, key)? {
            let is_clip = PLANES.iter().any(|plane| folder.join(plane.folder()).is_dir());
            let clips = if is_clip { vec![folder] } else { subfolders(&folder, key)? };
            folders.extend(clips.into_iter().map(|clip| (clip, None)));
        }
        Self::open(dir, key, folders, sampling)
    }

    fn open(
        dir: &Path,
        key: &'static str,
        folders: Vec<(PathBuf, Option<usize>)>,
        sampling: &Sampling,
    ) -> Result<Self, ClipError> {
        let mut paths = Vec::new();
        let mut clips = Vec::new();
        for (path, class) in folders {
            clips.push(Clip::list(path, class, sampling, &mut paths)?);
        }
        if clips.is_empty() {
            return Err(ClipError::NoClips { path: dir.to_owned(), key });
        }
        Ok(Self { clips, images: ImageStore::new(paths, key)? })
    }

    /// One picture of a clip; flow is in every channel.
    pub(crate) fn picture(
        &self,
        clip: usize,
        plane: Plane,
        frame: usize,
    ) -> Result<Arc<RgbImage>, PictureError> {
        let Clip { rgb, u, v, .. } = &self.clips[clip];
        let first = match plane {
            Plane::Rgb => rgb.start,
            Plane::U => u.start,
            Plane::V => v.start,
        };
        self.images.get(first + frame)
    }
}

impl Clip {
    /// Lists the pictures that the streams need and appends them to `paths`.
    fn list(
        path: PathBuf,
        class: Option<usize>,
        sampling: &Sampling,
        paths: &mut Vec<PathBuf>,
    ) -> Result<Self, ClipError> {
        let mut add = |plane: Plane, used: bool| -> Result<Range<usize>, ClipError> {
            let first = paths.len();
            if used {
                paths.extend(pictures(&path, plane)?);
            }
            Ok(first..paths.len())
        };
        let (with_rgb, with_flow) = (sampling.lengths.rgb.is_some(), sampling.lengths.flow.is_some());
        let (rgb, u, v) = (add(Plane::Rgb, with_rgb)?, add(Plane::U, with_flow)?, add(Plane::V, with_flow)?);
        let used = [(with_rgb, rgb.len()), (with_flow, u.len()), (with_flow, v.len())];
        let frames = used.iter().filter(|(used, _)| *used).map(|(_, frames)| *frames).min().unwrap_or(0);
        if frames < sampling.needed() {
            let key = if sampling.lengths.rgb >= sampling.lengths.flow { RGB_LENGTH } else { FLOW_LENGTH };
            return Err(ClipError::TooShort { path, frames, needed: sampling.needed(), key });
        }
        Ok(Self { path, class, frames, rgb, u, v })
    }
}

/// Folders in `dir`, sorted.
fn subfolders(dir: &Path, key: &'static str) -> Result<Vec<PathBuf>, ClipError> {
    if dir.is_file() {
        return Err(ClipError::NotAFolder { path: dir.to_owned(), key });
    }
    let unreadable = |source| ClipError::Unreadable { path: dir.to_owned(), key, source };
    let entries = std::fs::read_dir(dir).map_err(unreadable)?;
    let visible = |entry: &DirEntry| !entry.file_name().to_string_lossy().starts_with('.');
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        if visible(&entry) && entry.path().is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

/// Pictures of one kind of a clip, sorted by name, which is the order of time.
fn pictures(clip: &Path, plane: Plane) -> Result<Vec<PathBuf>, ClipError> {
    let folder = clip.join(plane.folder());
    let missing = |source| ClipError::NoPictures { path: folder.clone(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(missing)? {
        let path = entry.map_err(missing)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if PICTURES.iter().any(|known| extension.eq_ignore_ascii_case(known)) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The pictures that a stream sees of each frame.
pub(crate) fn planes(modality: Modality) -> &'static [Plane] {
    match modality {
        Modality::Rgb => &[Plane::Rgb],
        Modality::Flow => &[Plane::U, Plane::V],
    }
}

#[cfg(test)]
mod tests {
    use super::super::sampling::{Lengths, Strategy};
    use super::*;

    fn sampling(rgb: Option<usize>, flow: Option<usize>) -> Sampling {
        Sampling { strategy: Strategy::Interval, lengths: Lengths { rgb, flow } }
    }

    fn classes() -> Vec<String> {
        ["fall", "rise"].map(String::from).to_vec()
    }

    /// Clips with 4 frames and 3 pictures of flow.
    fn make(dir: &Path, clips: &[&str]) {
        for clip in clips {
            for (folder, frames) in [("rgb", 4u8), ("u", 3), ("v", 3)] {
                let folder = dir.join(clip).join(folder);
                std::fs::create_dir_all(&folder).unwrap();
                for frame in 0..frames {
                    let picture = RgbImage::from_pixel(4, 3, image::Rgb([frame, 0, 0]));
                    picture.save(folder.join(format!("{frame:03}.png"))).unwrap();
                }
            }
        }
    }

    #[test]
    fn classes_clips_and_frames_come_in_order() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), &["rise/b", "rise/a", "fall/c"]);
        std::fs::write(dir.path().join("dataset.yaml"), "format: default").unwrap();
        std::fs::write(dir.path().join("rise/a/rgb/notes.txt"), "no frame").unwrap();
        let set = ClipSet::labelled(dir.path(), "k", &classes(), &sampling(Some(2), None)).unwrap();
        let found: Vec<_> = set
            .clips
            .iter()
            .map(|clip| (clip.class.unwrap(), clip.path.file_name().unwrap().to_str().unwrap(), clip.frames))
            .collect();
        assert_eq!(found, [(0, "c", 4), (1, "a", 4), (1, "b", 4)]);
        assert_eq!(set.picture(2, Plane::Rgb, 3).unwrap().get_pixel(0, 0).0[0], 3);
        let joint = ClipSet::labelled(dir.path(), "k", &classes(), &sampling(Some(2), Some(3))).unwrap();
        assert_eq!(joint.clips[0].frames, 3, "as long as its shortest stream");
    }

    #[test]
    fn unlabelled_clips_may_lie_in_folders_of_classes() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), &["rise/b", "rise/a", "fall/c"]);
        let count = |path: &Path| {
            let set = ClipSet::unlabelled(path, "k", &sampling(Some(2), None)).unwrap();
            assert!(set.clips.iter().all(|clip| clip.class.is_none()));
            set.clips.len()
        };
        assert_eq!((count(dir.path()), count(&dir.path().join("rise"))), (3, 2));
    }

    #[test]
    fn unusable_folders_are_named_with_the_cure() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = |path: &Path, sampling: &Sampling| {
            ClipSet::labelled(path, "dataset.train_dataset_dir", &classes(), sampling)
                .unwrap_err()
                .to_string()
        };
        let rgb = sampling(Some(2), None);
        assert!(refusal(dir.path(), &rgb).starts_with("no clips: "));
        assert!(refusal(&dir.path().join("none"), &rgb).contains("dataset.train_dataset_dir"));
        make(dir.path(), &["rise/a"]);
        let short = refusal(dir.path(), &sampling(None, Some(4)));
        assert!(
            short.contains("rise/a: 3 frames, 4 needed") && short.contains("model.of_seq_length"),
            "{short}"
        );
        std::fs::remove_dir_all(dir.path().join("rise/a/v")).unwrap();
        assert!(refusal(dir.path(), &sampling(None, Some(2))).contains("rise/a/v"));
        make(dir.path(), &["jump/a"]);
        let unknown = refusal(dir.path(), &rgb);
        assert!(unknown.contains("jump") && unknown.contains("fall, rise"), "{unknown}");
        let archive = dir.path().join("train.tar.gz");
        std::fs::write(&archive, "packed").unwrap();
        assert!(refusal(&archive, &rgb).contains("extract"));
    }
}
