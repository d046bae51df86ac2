//! PyTorch's `.pth` files: a zip archive with a pickle and the numbers of every storage.
//!
//! libtorch's own reader drops ordered dictionaries, which is what every state dict is, so the
//! pickle is read here. Shape and stride come from the file and are checked by libtorch against the
//! storage before a tensor is made.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use tch::Tensor;
use zip::ZipArchive;

use super::pickle::{self, TensorRecord};

const PICKLE: &str = "data.pkl";

/// Reads every tensor of the file; the error says in words what is wrong with it.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Tensor>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut archive = ZipArchive::new(file)
        .map_err(|_| "it is no zip archive, as torch.save writes since PyTorch 1.6".to_owned())?;
    let pickle_name = archive
        .file_names()
        .find(|name| *name == PICKLE || name.ends_with("/data.pkl"))
        .ok_or("it holds no data.pkl")?
        .to_owned();
    let folder = pickle_name.trim_end_matches(PICKLE).to_owned();
    let records = pickle::tensors(&read_entry(&mut archive, &pickle_name)?)?;
    records
        .into_iter()
        .map(|(name, record)| {
            let bytes = read_entry(&mut archive, &format!("{folder}data/{}", record.storage))?;
            let tensor = tensor_of(&record, &bytes).map_err(|detail| format!("{name}: {detail}"))?;
            Ok((name, tensor))
        })
        .collect()
}

fn read_entry(archive: &mut ZipArchive<File>, name: &str) -> Result<Vec<u8>, String> {
    let mut entry = archive.by_name(name).map_err(|error| format!("{name}: {error}"))?;
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
    Ok(bytes)
}

fn tensor_of(record: &TensorRecord, bytes: &[u8]) -> Result<Tensor, String> {
    let length = bytes.len() / record.kind.elt_size_in_bytes();
    let storage = Tensor::f_from_data_size(bytes, &[length as i64], record.kind);
    storage
        .and_then(|storage| storage.f_as_strided(&record.size, &record.stride, record.offset))
        .map(|view| view.copy())
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> BTreeMap<String, Tensor> {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
    }

    /// Each file holds one 2 × 3 tensor of 1 to 6, as `torch.save` lays it out; see `tests/data`.
    fn check(name: &str, tensor: &str) {
        let tensors = file(name);
        assert_eq!(tensors.keys().collect::<Vec<_>>(), [tensor]);
        assert_eq!(tensors[tensor], Tensor::from_slice2(&[[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]));
    }

    #[test]
    fn state_dicts_and_nested_mappings_are_read() {
        check("state_dict.pth", "patch_embed.proj.weight");
        check("nested.pth", "model.patch_embed.proj.weight");
    }

    #[test]
    fn other_archives_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pth");
        std::fs::write(&path, "text").unwrap();
        assert!(read(&path).unwrap_err().contains("no zip archive"));
    }
}
