//! Numbers for people: how a figure that was taken several times spreads, and what it was taken on.

use std::path::Path;
use std::time::{Duration, Instant};

/// Least, median and most of values, of which there must be one.
#[allow(clippy::missing_panics_doc)]
pub fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = match sorted.len() % 2 {
        1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    };
    (sorted[0], median, sorted[sorted.len() - 1])
}

/// A number with as many digits as it deserves.
pub fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v.fract() == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// How many processes wanted to run, over the last minute.
pub fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("?").to_owned()
}

/// The machine in a line.
pub fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|l| l.strip_prefix("model name"));
    let model = model.map_or("processor unknown", |m| m.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{model}, {cores} cores, load {}", load())
}

/// How long one append of 4 KiB and its sync take in this folder: the median of some.
///
/// # Errors
/// The folder cannot be written to.
pub fn sync_time(dir: &Path) -> std::io::Result<Duration> {
    use std::io::Write;
    let path = dir.join("sync-probe");
    let mut file = std::fs::File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..31 {
        let before = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(before.elapsed().as_secs_f64());
    }
    std::fs::remove_file(path)?;
    Ok(Duration::from_secs_f64(spread(&times).1))
}
