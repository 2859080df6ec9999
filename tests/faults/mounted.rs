//! File systems that an engine's data lie on, and that can be made to fail.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own, unmounted with this value.
pub(crate) struct Tmpfs(PathBuf);

impl Tmpfs {
    /// None: this process may not mount.
    pub(crate) fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at)
            .output();
        mounted.is_ok_and(|m| m.status.success()).then(|| Self(at.to_owned()))
    }

    pub(crate) fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status();
        assert!(status.unwrap().success(), "remount {options}");
    }

    /// Leaves so much of it free, or less: who writes beside this may have taken of it meanwhile.
    pub(crate) fn fill(&self, kib: u64) {
        let told = rustix::fs::statvfs(&self.0).unwrap();
        let free = told.f_bavail * told.f_frsize;
        let size = usize::try_from(free.saturating_sub(kib << 10)).unwrap();
        match std::fs::write(self.ballast(), vec![b'.'; size]) {
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {}
            written => written.unwrap(),
        }
    }

    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
        self.remount("size=64m");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A file system in a file, which turns read-only as one does that has met an error: what is open for writing stays open,
/// and no write is taken any more. (A remount would be refused while something is open.) Unmounted with this value.
pub(crate) struct Image {
    file: PathBuf,
    at: PathBuf,
}

fn done(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

impl Image {
    /// None: this process may not mount, or there is no loop device.
    pub(crate) fn mount(file: &Path, at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        std::fs::File::create(file).unwrap().set_len(64 << 20).unwrap();
        let made = done(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(file));
        let (file, at) = (file.to_owned(), at.to_owned());
        let image = Self { file, at };
        (made && image.mounted()).then_some(image)
    }

    fn mounted(&self) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-t", "ext4", "-o", "loop,errors=remount-ro"]);
        done(mount.arg(&self.file).arg(&self.at))
    }

    /// From now on nothing is written.
    pub(crate) fn turn_read_only(&self) {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        let at = self.at.display().to_string();
        let device = mounts.lines().find_map(|line| {
            let mut words = line.split(' ');
            let device = words.next()?.strip_prefix("/dev/")?;
            (words.next()? == at).then_some(device)
        });
        let trigger = format!("/sys/fs/ext4/{}/trigger_fs_error", device.expect("it is mounted"));
        std::fs::write(trigger, "1").unwrap();
        let refused = std::fs::write(self.at.join("tried"), "").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    }

    /// Checks it, and mounts it for writing again. Nobody may use it meanwhile.
    pub(crate) fn mend(&self) {
        assert!(done(Command::new("umount").arg(&self.at)), "it is still in use");
        let checked = Command::new("e2fsck")
            .args(["-f", "-y"])
            .arg(&self.file)
            .output()
            .unwrap();
        // 1: there were errors, and there are no more.
        assert!(matches!(checked.status.code(), Some(0 | 1)), "{checked:?}");
        assert!(self.mounted(), "it cannot be mounted again");
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).output();
    }
}
