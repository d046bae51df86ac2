//! Control groups of Linux (version 2): the kernel itself bounds and counts the memory of an attempt.
//!
//! A group of its own is made for each attempt where the process that starts attempts may do so: where it is alone
//! in a group that was delegated to it (a systemd unit with `Delegate=yes`, a container whose cgroups are writable).
//! The kernel allows no processes beside groups with controllers, so the process first moves itself, and with it all
//! runners to come, into the group [`HOME`] within its own; attempts get groups beside that. Where any of it is not
//! possible there are no groups, and memory is what the runner sees of it.
//!
//! A group is a folder and its settings are files, so tests are made on ordinary folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use nix::unistd::{AccessFlags, access};

/// The group of engines and runners, beside those of attempts.
const HOME: &str = "automl-home";
const PROCESSES: &str = "cgroup.procs";
const CHILD_CONTROLLERS: &str = "cgroup.subtree_control";
/// Looks at a group that still has processes, until it is left where it is.
const REMOVALS: u32 = 20;
const REMOVE_AGAIN: Duration = Duration::from_millis(5);

/// Tells where attempts would get groups, and changes nothing.
///
/// # Errors
/// Why there are none, for people.
pub fn available() -> Result<PathBuf, String> {
    Tree::here()?.place().map(|place| place.folder)
}

/// Returns the folder in which attempts of this process get their groups, which is made ready first.
pub(crate) fn prepared() -> Option<&'static Path> {
    static PLACE: OnceLock<Option<PathBuf>> = OnceLock::new();
    PLACE.get_or_init(|| Tree::here().and_then(|tree| tree.prepare()).ok()).as_deref()
}

/// The tree of groups as a process sees it.
struct Tree {
    /// The folder of the process's own group.
    own: PathBuf,
    pid: u32,
}

/// Where attempts can get groups.
#[derive(Debug, PartialEq)]
struct Place {
    folder: PathBuf,
    is_ready: bool,
}

impl Tree {
    fn here() -> Result<Self, String> {
        let read =
            |path: &str| fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"));
        let own = own_folder(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?)?;
        Ok(Self { own, pid: std::process::id() })
    }

    fn place(&self) -> Result<Place, String> {
        let own = &self.own;
        if let (Some(parent), true) = (own.parent(), own.ends_with(HOME)) {
            return Ok(Place { folder: parent.to_owned(), is_ready: true });
        }
        let shown = own.display();
        let words = |file: &str| fs::read_to_string(own.join(file)).unwrap_or_default();
        if !words("cgroup.controllers").split_whitespace().any(|word| word == "memory") {
            return Err(format!("the group {shown} has no memory controller"));
        }
        for name in ["", PROCESSES, CHILD_CONTROLLERS] {
            access(&own.join(name), AccessFlags::W_OK).map_err(|errno| {
                format!("the group {shown} was not delegated: {}", io::Error::from(errno))
            })?;
        }
        let others = words(PROCESSES).lines().filter(|pid| *pid != self.pid.to_string()).count();
        if others > 0 {
            return Err(format!("the group {shown} has {others} other processes"));
        }
        Ok(Place { folder: own.clone(), is_ready: false })
    }

    fn prepare(&self) -> Result<PathBuf, String> {
        let Place { folder, is_ready } = self.place()?;
        if is_ready {
            return Ok(folder);
        }
        let failed = |error: io::Error| format!("the group {} cannot be divided: {error}", folder.display());
        let home = folder.join(HOME);
        create(&home).map_err(failed)?;
        let pid = self.pid.to_string();
        fs::write(home.join(PROCESSES), &pid).map_err(failed)?;
        fs::write(folder.join(CHILD_CONTROLLERS), "+memory").map_err(|error| {
            // It was there before, so it may go back.
            let _ = fs::write(folder.join(PROCESSES), &pid);
            failed(error)
        })?;
        Ok(folder)
    }
}

/// Returns the folder of the own group from the contents of two files in `/proc/self`.
fn own_folder(mounts: &str, groups: &str) -> Result<PathBuf, String> {
    let mount = mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        kind.starts_with("cgroup2 ").then(|| Some((fields.next()?, fields.next()?))).flatten()
    });
    let (root, mounted_at) = mount.ok_or("control groups of version 2 are not mounted")?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let own = own.ok_or("this process has no control group of version 2")?;
    let below =
        Path::new(own).strip_prefix(root).map_err(|_| format!("the group {own} is not visible here"))?;
    Ok(Path::new(mounted_at).join(below))
}

fn create(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The group of one attempt.
#[derive(Debug)]
pub(crate) struct Group {
    place: PathBuf,
    folder: PathBuf,
}

/// What a group's processes have used, and what became of them for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MemoryUse {
    /// Most memory of all processes together, in bytes, where the kernel tells.
    pub(crate) peak_bytes: Option<u64>,
    /// Whether processes were killed because the group's limit was reached.
    pub(crate) passed_limit: bool,
    /// Whether processes were killed because the machine, or a group above, had no memory left.
    pub(crate) starved: bool,
}

impl Group {
    /// Makes a group for an attempt, with a limit of memory if there is one.
    pub(crate) fn create(place: &Path, name: &str, memory_bytes: Option<u64>) -> io::Result<Self> {
        let folder = place.join(name);
        create(&folder)?;
        let group = Self { place: place.to_owned(), folder };
        if let Some(bytes) = memory_bytes {
            if let Err(error) = fs::write(group.folder.join("memory.max"), bytes.to_string()) {
                // Empty, so nothing keeps it; and what is left of it does no harm.
                let _ = fs::remove_dir(&group.folder);
                return Err(error);
            }
            // Else the limit would only drive the program to the disk. Absent where nothing is swapped.
            let _ = fs::write(group.folder.join("memory.swap.max"), "0");
        }
        Ok(group)
    }

    /// Starts something whose processes belong to the group: this process is in it meanwhile.
    pub(crate) fn around<T>(&self, start: impl FnOnce() -> T) -> io::Result<T> {
        let pid = std::process::id().to_string();
        fs::write(self.folder.join(PROCESSES), &pid)?;
        let started = start();
        if fs::write(self.place.join(HOME).join(PROCESSES), &pid).is_ok() {
            // All or nothing: a training of which one process is gone only hangs. Not while this process is in it.
            let _ = fs::write(self.folder.join("memory.oom.group"), "1");
        }
        Ok(started)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn memory_use(&self) -> MemoryUse {
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let events = read("memory.events");
        let count = |event: &str| {
            let mut lines = events.lines().filter_map(|line| line.split_once(' '));
            lines
                .find(|(name, _)| *name == event)
                .and_then(|(_, count)| count.trim().parse().ok())
                .unwrap_or(0_u64)
        };
        let killed = count("oom_kill") > 0;
        MemoryUse {
            peak_bytes: read("memory.peak").trim().parse().ok(),
            passed_limit: killed && count("oom") > 0,
            starved: killed && count("oom") == 0,
        }
    }
}

/// Removes a group whose processes have ended.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    let mut tries = 1;
    loop {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // The last process is on its way out of the group for a moment after it was waited for.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && tries < REMOVALS => tries += 1,
            result => return result,
        }
        thread::sleep(REMOVE_AGAIN);
    }
}

/// Kills all processes of a group; kernels before 5.14 cannot.
pub(crate) fn kill(folder: &Path) {
    let _ = fs::write(folder.join("cgroup.kill"), "1");
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const MOUNTS: &str = "24 1 0:22 / /sys rw shared:7 - sysfs sysfs rw\n\
                          30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn own_group_is_found_below_its_mount() {
        let folder =
            |mounts: &str, groups: &str| own_folder(mounts, groups).map(|path| path.display().to_string());
        assert_eq!(folder(MOUNTS, "0::/user.slice/a.scope\n").unwrap(), "/sys/fs/cgroup/user.slice/a.scope");
        assert_eq!(folder(MOUNTS, "3:cpu:/x\n0::/\n").unwrap(), "/sys/fs/cgroup/");
        let bound = MOUNTS.replace("0:26 / ", "0:26 /docker/17 ");
        assert_eq!(folder(&bound, "0::/docker/17/a\n").unwrap(), "/sys/fs/cgroup/a");
        assert!(folder(&bound, "0::/elsewhere\n").unwrap_err().contains("is not visible here"));
        assert!(folder("", "0::/\n").unwrap_err().contains("are not mounted"));
        assert!(folder(MOUNTS, "3:cpu:/x\n").unwrap_err().contains("no control group of version 2"));
    }

    /// A tree of one group, as the kernel would show it to process 17.
    fn tree(controllers: &str, processes: &str) -> (TempDir, Tree) {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("a.scope");
        fs::create_dir(&own).unwrap();
        for (name, text) in
            [("cgroup.controllers", controllers), (PROCESSES, processes), (CHILD_CONTROLLERS, "")]
        {
            fs::write(own.join(name), text).unwrap();
        }
        (root, Tree { own, pid: 17 })
    }

    #[test]
    fn delegated_group_is_divided_once() {
        let (_root, tree) = tree("cpu memory pids\n", "17\n");
        let folder = tree.prepare().unwrap();
        assert_eq!(folder, tree.own);
        assert_eq!(fs::read_to_string(folder.join(CHILD_CONTROLLERS)).unwrap(), "+memory");
        assert_eq!(fs::read_to_string(folder.join("automl-home/cgroup.procs")).unwrap(), "17");
        // A process that was started from there finds all of it in place.
        let next = Tree { own: folder.join(HOME), pid: 18 };
        assert_eq!(next.place(), Ok(Place { folder: folder.clone(), is_ready: true }));
        assert_eq!(next.prepare(), Ok(folder));
    }

    #[test]
    fn groups_that_are_not_ours_alone_are_left_as_they_are() {
        for (controllers, processes, reason) in
            [("cpu pids", "17\n", "has no memory controller"), ("memory", "4\n17\n", "has 1 other processes")]
        {
            let (_root, tree) = tree(controllers, processes);
            let refusal = tree.prepare().unwrap_err();
            assert!(refusal.contains(reason), "{refusal}");
            assert!(!tree.own.join(HOME).exists());
        }
        let (_root, tree) = tree("memory", "17\n");
        fs::remove_file(tree.own.join(CHILD_CONTROLLERS)).unwrap();
        assert!(tree.place().unwrap_err().contains("was not delegated"));
    }

    #[test]
    fn what_starts_in_a_group_belongs_to_it() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join(HOME)).unwrap();
        let group = Group::create(place.path(), "am-1", Some(4096)).unwrap();
        let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap_or_default();
        let me = std::process::id().to_string();
        let inside = group.around(|| (read("am-1/cgroup.procs"), read("am-1/memory.oom.group"))).unwrap();
        assert_eq!(inside, (me.clone(), String::new()), "within the group, and not to be killed with it");
        assert_eq!((read("automl-home/cgroup.procs"), read("am-1/memory.oom.group")), (me, "1".into()));
        assert_eq!((read("am-1/memory.max"), read("am-1/memory.swap.max")), ("4096".into(), "0".into()));
    }

    #[test]
    fn kernels_tell_whose_limit_killed() {
        let place = tempfile::tempdir().unwrap();
        let group = Group::create(place.path(), "am-1", None).unwrap();
        assert_eq!(group.memory_use(), MemoryUse::default());
        fs::write(group.folder().join("memory.peak"), "8192\n").unwrap();
        for (oom, oom_kill, passed_limit, starved) in
            [(0, 0, false, false), (2, 0, false, false), (1, 3, true, false), (0, 1, false, true)]
        {
            let events = format!("low 0\nhigh 0\nmax 9\noom {oom}\noom_kill {oom_kill}\noom_group_kill 0\n");
            fs::write(group.folder().join("memory.events"), events).unwrap();
            let expected = MemoryUse { peak_bytes: Some(8192), passed_limit, starved };
            assert_eq!(group.memory_use(), expected, "{oom} {oom_kill}");
        }
    }

    #[test]
    fn empty_groups_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let group = Group::create(place.path(), "am-1", None).unwrap();
        remove(group.folder()).unwrap();
        assert!(!group.folder().exists());
        remove(group.folder()).unwrap();
    }
}
