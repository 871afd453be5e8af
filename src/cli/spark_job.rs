//! `spark-job`: the job that judges records on a Spark cluster, of this version of the program and no other.

use std::io::{self, Write};

use clap::Args;

use super::{Done, Outcome, STDOUT, writing};

/// The job, as it lies in the repository: of no version.
const JOB: &str = include_str!("../../packaging/spark/counterfoil_spark.py");

/// The line that says of which version it is.
const VERSION: &str = "\nVERSION = \"\"";

/// `counterfoil spark-job`
#[derive(Debug, Args)]
pub(super) struct SparkJob {}

impl SparkJob {
    pub(super) fn run(self) -> Outcome {
        let version = concat!("\nVERSION = \"", env!("CARGO_PKG_VERSION"), "\"");
        let job = JOB.replacen(VERSION, version, 1);
        io::stdout().write_all(job.as_bytes()).map_err(writing(STDOUT))?;
        Ok(Done::Well)
    }
}

#[cfg(test)]
mod tests {
    use super::{JOB, VERSION};

    #[test]
    fn the_job_has_one_place_for_a_version() {
        assert_eq!(JOB.matches(VERSION).count(), 1);
    }
}
