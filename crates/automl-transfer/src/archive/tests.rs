use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use tar::{EntryType, Header};
use tempfile::TempDir;

/// Something in an archive.
#[derive(Clone, Debug)]
struct Item {
    name: String,
    kind: EntryType,
    link: String,
    data: Vec<u8>,
}

fn file(name: &str, data: &str) -> Item {
    Item { name: name.into(), kind: EntryType::Regular, link: String::new(), data: data.into() }
}

fn link(kind: EntryType, name: &str, target: &str) -> Item {
    Item { name: name.into(), kind, link: target.into(), data: Vec::new() }
}

/// Writes headers by hand: a library would refuse the names that matter here.
fn tar_of(items: &[Item]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for item in items {
        let mut header = Header::new_gnu();
        let fill = |field: &mut [u8], text: &str| field[..text.len()].copy_from_slice(text.as_bytes());
        fill(&mut header.as_old_mut().name, &item.name);
        fill(&mut header.as_old_mut().linkname, &item.link);
        header.set_entry_type(item.kind);
        header.set_mode(0o7777);
        header.set_size(item.data.len() as u64);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&item.data);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A folder with an archive, a cache, and a file beside them that nothing may touch.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new(archive: &str, bytes: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("sentinel"), "untouched").unwrap();
        fs::write(dir.path().join(archive), bytes).unwrap();
        Place { dir }
    }

    fn unpack(&self, archive: &str) -> Result<PathBuf, ArchiveError> {
        Archives::new(self.dir.path().join("cache")).unpack(&self.dir.path().join(archive))
    }

    fn refusal(&self, archive: &str) -> String {
        let message = self.unpack(archive).unwrap_err().to_string();
        assert_eq!(self.cached(), 0, "something was left of a refused archive");
        message.replace(self.dir.path().to_str().unwrap(), "DIR")
    }

    /// Folders in the cache.
    fn cached(&self) -> usize {
        let entries = fs::read_dir(self.dir.path().join("cache")).into_iter().flatten().flatten();
        entries.filter(|entry| entry.path().is_dir()).count()
    }
}

#[test]
fn archives_of_either_kind_are_unpacked_once() {
    let bytes = tar_of(&[file("images/a.txt", "A"), file("images/deep/er/b.txt", "B")]);
    let place = Place::new("images.tar", &bytes);
    fs::write(place.dir.path().join("images.tar.gz"), gzipped(&bytes)).unwrap();
    fs::write(place.dir.path().join("copy.tgz"), gzipped(&bytes)).unwrap();
    let folder = place.unpack("images.tar.gz").unwrap();
    assert!(folder.ends_with("images"));
    assert_eq!(fs::read_to_string(folder.join("deep/er/b.txt")).unwrap(), "B");
    assert_eq!(place.cached(), 1);
    // The same bytes under another name: the same folder, seen from above, since the names differ.
    assert_eq!(place.unpack("copy.tgz").unwrap(), folder.parent().unwrap());
    assert_eq!(place.cached(), 1);
    fs::write(folder.join("mark"), "").unwrap();
    assert!(place.unpack("images.tar.gz").unwrap().join("mark").exists(), "unpacked again");
    assert_eq!(fs::read_to_string(place.unpack("images.tar").unwrap().join("a.txt")).unwrap(), "A");
    assert_eq!(place.cached(), 2);
}

#[test]
fn changed_archives_are_unpacked_again() {
    let place = Place::new("d.tar", &tar_of(&[file("a", "old")]));
    assert_eq!(fs::read_to_string(place.unpack("d.tar").unwrap().join("a")).unwrap(), "old");
    fs::write(place.dir.path().join("d.tar"), tar_of(&[file("a", "newer"), file("b", "")])).unwrap();
    assert_eq!(fs::read_to_string(place.unpack("d.tar").unwrap().join("a")).unwrap(), "newer");
}

#[test]
fn threads_and_processes_may_unpack_at_the_same_time() {
    let items: Vec<Item> = (0..200).map(|n| file(&format!("f{n}"), &"x".repeat(n))).collect();
    let bytes = gzipped(&tar_of(&items));
    for _ in 0..20 {
        let place = Place::new("d.tar.gz", &bytes);
        let start = std::sync::Barrier::new(6);
        let unpack = || {
            start.wait();
            place.unpack("d.tar.gz").unwrap()
        };
        let folders: BTreeSet<PathBuf> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(unpack)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(folders.len(), 1);
        assert_eq!(fs::read_dir(folders.first().unwrap()).unwrap().count(), 200);
    }
}

#[test]
fn remains_of_a_killed_process_are_no_obstacle() {
    let place = Place::new("d.tar", &tar_of(&[file("a", "1")]));
    let name = hash(&place.dir.path().join("d.tar")).unwrap();
    let partial = place.dir.path().join("cache").join(name).with_extension("partial");
    fs::create_dir_all(partial.join("half")).unwrap();
    let folder = place.unpack("d.tar").unwrap();
    assert!(folder.join("a").exists() && !folder.join("half").exists() && !partial.exists());
}

#[test]
fn evil_names_are_refused() {
    let symlink = |name, target| link(EntryType::Symlink, name, target);
    for (items, why) in [
        (vec![file("/etc/x", "")], "`/etc/x` leads out of the archive's own folder"),
        (vec![file("a/../../x", "")], "`a/../../x` leads out"),
        (vec![file("..", "")], "`..` leads out"),
        (vec![symlink("s", "/etc/passwd")], "`s` is a link to an absolute path"),
        (vec![symlink("s", "../sentinel")], "`s` is a link to nothing"),
        (vec![symlink("s", "../../sentinel")], "`s` is a link that leads out"),
        (vec![symlink("s", "missing")], "`s` is a link to nothing"),
        (vec![symlink("s", "s")], "`s` is a link to nothing"),
        (
            vec![symlink("a/b/c", "../.."), symlink("d", "a/b/c/../../sentinel")],
            "`d` is a link that leads out",
        ),
        (vec![symlink("s", "../.."), file("s/x", "")], "cannot unpack"),
        (vec![link(EntryType::Link, "h", "../../sentinel")], "`h` is a link to a file that is not in"),
        (vec![link(EntryType::Link, "h", "/etc/passwd")], "`h` is a link to a file that is not in"),
        (vec![symlink("s", "../../sentinel"), link(EntryType::Link, "h", "s")], "`h` is a link to a file"),
        (vec![link(EntryType::Block, "b", "")], "`b` is neither a file, a folder nor a link"),
        (vec![link(EntryType::Char, "c", "")], "`c` is neither"),
        (vec![link(EntryType::Fifo, "f", "")], "`f` is neither"),
    ] {
        let place = Place::new("d.tar", &tar_of(&items));
        let message = place.refusal("d.tar");
        assert!(message.contains(why), "{items:?}: {message}");
        assert!(message.starts_with("cannot unpack DIR/d.tar: "), "{message}");
    }
}

#[test]
fn harmless_links_and_modes_are_kept() {
    let items = [
        file("dir/a", "A"),
        link(EntryType::Symlink, "dir/same", "a"),
        link(EntryType::Symlink, "up", "dir/../dir"),
        link(EntryType::Link, "hard", "dir/a"),
        file("dir/a", "later"),
    ];
    let place = Place::new("d.tar", &tar_of(&items));
    let folder = place.unpack("d.tar").unwrap();
    assert_eq!(fs::read_to_string(folder.join("up/same")).unwrap(), "later");
    assert_eq!(fs::read_to_string(folder.join("hard")).unwrap(), "A");
    let mode = fs::metadata(folder.join("dir/a")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7000, 0, "set-user-id bits are not taken over");
}

#[test]
fn damage_and_excess_are_told_apart() {
    let whole = gzipped(&tar_of(&[file("a", &"text".repeat(2000))]));
    for bytes in [&whole[..whole.len() / 2], b"no archive at all", b"", &whole[..whole.len() - 4]] {
        let message = Place::new("d.tar.gz", bytes).refusal("d.tar.gz");
        assert!(message.contains("not a complete tar archive"), "{message}");
    }
    let place = Place::new("d.tar.gz", &whole);
    let unpack = |limits| {
        let archives = Archives::new(place.dir.path().join("cache")).with_limits(limits);
        archives.unpack(&place.dir.path().join("d.tar.gz"))
    };
    let message = unpack(Limits { bytes: 7999, entries: 9 }).unwrap_err().to_string();
    assert!(message.contains("more than 7999 bytes; unpack it beside itself"), "{message}");
    let message = unpack(Limits { bytes: 8000, entries: 0 }).unwrap_err().to_string();
    assert!(message.contains("more than 0 entries"), "{message}");
    assert!(unpack(Limits { bytes: 8000, entries: 1 }).is_ok());
    let missing = Place::new("d.tar", b"").unpack("none.tar").unwrap_err().to_string();
    assert!(missing.contains("none.tar"), "{missing}");
}

/// Names and targets of every kind that has led somebody astray.
fn any_name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "..", ".", "", "/"]), 1..5)
        .prop_map(|parts| parts.join("/"))
        .prop_filter("headers end names at 100 bytes", |name| name.len() < 100)
}

fn any_item() -> impl Strategy<Value = Item> {
    let kinds = vec![
        EntryType::Regular,
        EntryType::Regular,
        EntryType::Directory,
        EntryType::Symlink,
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Fifo,
    ];
    (any_name(), prop::sample::select(kinds), any_name(), "[a-z]{0,4}").prop_map(
        |(name, kind, link, data)| {
            let data = if kind == EntryType::Regular { data.into_bytes() } else { Vec::new() };
            Item { name, kind, link, data }
        },
    )
}

/// Every path below a folder, links not followed.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        found.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            found.extend(below(&entry.path()));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn no_archive_reaches_beyond_its_folder(items in prop::collection::vec(any_item(), 0..6)) {
        let place = Place::new("d.tar", &tar_of(&items));
        let unpacked = place.unpack("d.tar");
        prop_assert_eq!(fs::read_to_string(place.dir.path().join("sentinel")).unwrap(), "untouched");
        let beside = fs::read_dir(place.dir.path()).unwrap().count();
        prop_assert_eq!(beside, 3, "only the sentinel, the archive and the cache");
        match unpacked {
            Err(_) => prop_assert_eq!(place.cached(), 0),
            Ok(_) => {
                let cache = place.dir.path().join("cache");
                let folder = below(&cache).into_iter().find(|p| p.is_dir() && p.parent() == Some(&cache)).unwrap();
                let root = fs::canonicalize(&folder).unwrap();
                for path in below(&folder) {
                    let kind = fs::symlink_metadata(&path).unwrap().file_type();
                    prop_assert!(!kind.is_fifo() && !kind.is_socket() && !kind.is_block_device());
                    prop_assert!(fs::canonicalize(&path).unwrap().starts_with(&root), "{:?}", path);
                }
            }
        }
    }

    #[test]
    fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..2048), cut in 0_usize..3000) {
        drop(Place::new("d.tar", &bytes).unpack("d.tar"));
        let mut whole = gzipped(&tar_of(&[file("a/b", "text")]));
        whole.truncate(cut);
        drop(Place::new("d.tar.gz", &whole).unpack("d.tar.gz"));
    }
}
