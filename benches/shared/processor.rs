//! How busy this process was, whoever else uses the machine.

/// Processor time of this process so far, all its threads, in seconds.
#[cfg(unix)]
pub fn spent() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Not known here.
#[cfg(not(unix))]
pub fn spent() -> f64 {
    0.0
}
