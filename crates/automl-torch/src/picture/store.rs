//! Decoded images, kept in memory as far as a limit allows.
//!
//! Every epoch cuts other parts from the same images, so decoding once is what makes small data sets
//! fast. Beyond the limit images are decoded again each time: slower, never wrong.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use image::RgbImage;

use super::PictureError;

/// Bytes of decoded images that are kept; about 1700 images of 640 × 480 px.
const CACHE_LIMIT_BYTES: usize = 1536 << 20;

/// Images of one data set, decoded on demand.
#[derive(Debug)]
pub(crate) struct ImageStore {
    paths: Vec<PathBuf>,
    key: &'static str,
    cache: Mutex<Cache>,
}

#[derive(Debug)]
struct Cache {
    images: Vec<Option<Arc<RgbImage>>>,
    bytes: usize,
}

impl ImageStore {
    /// Images at `paths`, below the folder named by the spec key `key`.
    ///
    /// # Errors
    ///
    /// If one is missing: better now than in the middle of an epoch.
    pub(crate) fn new(paths: Vec<PathBuf>, key: &'static str) -> Result<Self, PictureError> {
        for path in &paths {
            std::fs::metadata(path).map_err(|source| PictureError::Missing {
                path: path.clone(),
                key,
                source,
            })?;
        }
        let cache = Mutex::new(Cache { images: vec![None; paths.len()], bytes: 0 });
        Ok(Self { paths, key, cache })
    }

    /// The decoded image with this index.
    pub(crate) fn get(&self, index: usize) -> Result<Arc<RgbImage>, PictureError> {
        if let Some(image) = &self.cache().images[index] {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(self.decode(index)?);
        let mut cache = self.cache();
        let bytes = image.as_raw().len();
        if cache.images[index].is_none() && cache.bytes + bytes <= CACHE_LIMIT_BYTES {
            cache.bytes += bytes;
            cache.images[index] = Some(Arc::clone(&image));
        }
        Ok(image)
    }

    /// The cache; a thread that panicked while holding it left it whole, each change is one step.
    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decode(&self, index: usize) -> Result<RgbImage, PictureError> {
        let path = &self.paths[index];
        let bytes = std::fs::read(path).map_err(|source| PictureError::Missing {
            path: path.clone(),
            key: self.key,
            source,
        })?;
        let decoded = image::load_from_memory(&bytes)
            .map_err(|error| PictureError::NotAPicture { path: path.clone(), detail: error.to_string() })?;
        Ok(decoded.into_rgb8())
    }
}
