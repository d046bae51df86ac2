//! Embeds the packaged network configs and schemas: writes a table of their names and texts.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

/// Folders of packaged files, relative to the workspace's root.
const FOLDERS: [&str; 2] = ["network_configs", "search_spaces"];

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for folder in FOLDERS {
        list(&root, folder, &mut files)?;
    }
    files.sort();
    let mut table = String::from("[\n");
    for file in &files {
        let path = root.join(file).canonicalize()?;
        writeln!(table, "    ({file:?}, include_str!({path:?})),").expect("writing to a string cannot fail");
    }
    table.push_str("]\n");
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    fs::write(Path::new(&out).join("packaged.rs"), table)
}

fn list(root: &Path, folder: &str, files: &mut Vec<String>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", root.join(folder).display());
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(root, &name, files)?;
        } else {
            files.push(name);
        }
    }
    Ok(())
}
