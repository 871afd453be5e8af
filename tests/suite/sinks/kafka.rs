//! Kafka: what a consumer reads, and what becomes of messages that no broker takes. The brokers are the ones that
//! librdkafka itself brings for tests.

use super::sending::build;

#[test]
fn settings_that_cannot_work_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "hunter2").unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for (settings, part) in [
        ("brokers = []\ntopic = \"t\"", "at least one"),
        ("brokers = [\"a:1,b:1\"]\ntopic = \"t\"", "at least one"),
        ("brokers = [\"a:1\"]\ntopic = \"\"", "the name of a topic"),
        ("brokers = [\"a:1\"]\ntopic = \"t\"\noptions = { \"acks\" = \"0\" }", "cannot be set"),
        (
            "brokers = [\"a:1\"]\ntopic = \"t\"\noptions = { \"sasl.password\" = \"hunter2\" }",
            "under `secrets`",
        ),
        ("brokers = [\"a:1\"]\ntopic = \"t\"\ntls = false\nca_file = \"ca.pem\"", "says nothing"),
        #[cfg(feature = "kafka")]
        ("brokers = [\"a:1\"]\ntopic = \"t\"\noptions = { \"no.such\" = \"x\" }", "`no.such`: No such"),
        #[cfg(feature = "kafka")]
        (
            "brokers = [\"a:1\"]\ntopic = \"t\"\nsecrets = { \"sasl.password\" = \"env:COUNTERFOIL_NONE\" }",
            "no such variable",
        ),
        #[cfg(feature = "kafka")]
        (
            "brokers = [\"a:1\"]\ntopic = \"t\"\nsecrets = { \"ssl.key.pem\" = \"file:secret\" }",
            "the settings do not make a client",
        ),
        #[cfg(not(feature = "kafka"))]
        ("brokers = [\"a:1\"]\ntopic = \"t\"", "this build has no Kafka"),
    ] {
        let error = build(&format!("[kafka]\n{settings}"), dir.path()).unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("hunter2"), "{settings}: {error}");
    }
}

#[cfg(feature = "kafka")]
mod brokers {
    use std::path::Path;
    use std::time::Duration;

    use counterfoil::model::event::{Event, Message};
    use counterfoil::sink::{Receipt, Sink};
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::message::{Headers, Message as _};
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::DefaultProducerContext;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    use rdkafka::{ClientConfig, Offset, TopicPartitionList};

    use super::super::contract::{Fault, Peer, Wire, contract};
    use super::super::samples::{alone, digest, heartbeat};
    use super::super::sending::{HOSTILE, build, event, kept, messages, send, send_all};

    type Cluster = MockCluster<'static, DefaultProducerContext>;

    fn cluster(partitions: i32) -> Cluster {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("findings", partitions, 1).unwrap();
        cluster
    }

    /// One broker, and one partition, in which everything is in order.
    struct Broker(Cluster);

    impl Peer for Broker {
        fn start(_: Wire) -> Self {
            Self(cluster(1))
        }

        fn folder(&self) -> &Path {
            Path::new(".")
        }

        fn settings(&self) -> String {
            let brokers = self.0.bootstrap_servers();
            format!(
                "[kafka]\nbrokers = [\"{brokers}\"]\ntopic = \"findings\"\ntls = false\ntimeout = \"PT20S\""
            )
        }

        fn secrets(&self) -> Vec<String> {
            vec![]
        }

        // How brokers fail is tested below: they cannot be told to fail in these ways.
        fn supports(_: &Fault) -> bool {
            false
        }

        fn has_tls() -> bool {
            false
        }

        fn inject(&self, _: Option<Fault>) {}

        fn taken(&self) -> Vec<String> {
            consumed(&self.0, 1, None).into_iter().map(|(_, _, id)| id).collect()
        }

        fn complaints(&self) -> Vec<String> {
            let mut complaints = vec![];
            for (key, value, id) in consumed(&self.0, 1, None) {
                let value: serde_json::Value = serde_json::from_str(&value).unwrap();
                let kind = value["schema"].as_str().unwrap();
                let expected = value["finding"]["id"]
                    .as_str()
                    .unwrap_or_else(|| &kind["counterfoil.".len()..kind.len() - 2]);
                if key != expected || value["id"] != id.as_str() {
                    complaints.push(format!("{key} {id}: {value}"));
                }
            }
            complaints
        }
    }

    contract!(Broker);

    fn to(cluster: &Cluster, timeout: &str) -> Box<dyn Sink> {
        let brokers = cluster.bootstrap_servers();
        let entry = format!(
            "[kafka]\nbrokers = [\"{brokers}\"]\ntopic = \"findings\"\ntls = false\ntimeout = \"{timeout}\""
        );
        build(&entry, Path::new(".")).unwrap()
    }

    /// What a consumer reads: key, value, event id. Reads so many or, where that is not given, all there is.
    fn consumed(cluster: &Cluster, partitions: i32, least: Option<usize>) -> Vec<(String, String, String)> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .set("group.id", "reader")
            .create()
            .unwrap();
        let (mut from, mut there) = (TopicPartitionList::new(), 0);
        for partition in 0..partitions {
            from.add_partition_offset("findings", partition, Offset::Beginning).unwrap();
            let (low, high) =
                consumer.fetch_watermarks("findings", partition, Duration::from_secs(20)).unwrap();
            there += usize::try_from(high - low).unwrap();
        }
        let least = least.unwrap_or(there);
        consumer.assign(&from).unwrap();
        let mut read = vec![];
        let begun = std::time::Instant::now();
        while read.len() < least {
            assert!(begun.elapsed() < Duration::from_secs(30), "{} of {least}", read.len());
            let Some(record) = consumer.poll(Duration::from_secs(1)) else { continue };
            let record = record.unwrap();
            let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
            let header = record.headers().unwrap().get(0);
            assert_eq!(header.key, "event-id");
            read.push((text(record.key()), text(record.payload()), text(header.value)));
        }
        read
    }

    fn sorted_ids(batch: &[Message<'_>]) -> Vec<String> {
        let mut ids: Vec<String> = batch.iter().map(|m| m.id.clone()).collect();
        ids.sort();
        ids
    }

    #[test]
    fn a_record_is_keyed_by_its_finding_and_reads_back() {
        let cluster = cluster(3);
        let sink = to(&cluster, "PT20S");
        let mut batch = messages(2..100);
        batch.extend([alone(event(1, HOSTILE, HOSTILE)), digest(), heartbeat()]);
        send_all(&*sink, &batch);
        let mut read = consumed(&cluster, 3, Some(batch.len()));
        read.sort_by(|a, b| a.2.cmp(&b.2));
        assert_eq!(read.iter().map(|(_, _, id)| id.clone()).collect::<Vec<_>>(), sorted_ids(&batch));
        let hostile = event(1, HOSTILE, HOSTILE);
        let (key, value, _) = read.iter().find(|(_, _, id)| *id == hostile.id).unwrap();
        assert_eq!(*key, hostile.finding.id);
        assert_eq!(serde_json::from_str::<Event<'_>>(value).unwrap(), hostile);
        for kind in ["digest", "heartbeat"] {
            assert_eq!(read.iter().filter(|(key, _, _)| key == kind).count(), 1);
        }
    }

    #[test]
    fn a_broker_that_is_away_loses_nothing() {
        let cluster = cluster(3);
        let sink = to(&cluster, "PT2S");
        let batch = messages(0..20);
        send_all(&*sink, &batch[..10]);
        cluster.broker_down(1).unwrap();
        let reason = kept(&*sink, &batch[10..]);
        assert!(reason.contains("timed out"), "{reason}");
        cluster.broker_up(1).unwrap();
        // The client comes back in its own time.
        let begun = std::time::Instant::now();
        while send(&*sink, &batch[10..]).iter().any(|r| *r != Receipt::Taken) {
            assert!(begun.elapsed() < Duration::from_secs(30));
        }
        let mut ids: Vec<String> = consumed(&cluster, 3, Some(20)).into_iter().map(|(_, _, id)| id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids, sorted_ids(&batch));
    }

    #[test]
    fn what_no_broker_will_take_is_refused_and_what_nobody_may_write_is_paused() {
        let cluster = cluster(3);
        let sink = to(&cluster, "PT10S");
        let huge = alone(event(1, &"x".repeat(2_000_000), "alice"));
        let receipts = send(&*sink, &[huge, alone(event(2, "small", "alice"))]);
        assert!(matches!(receipts[0], Receipt::Refused { .. }), "{receipts:?}");
        assert_eq!(receipts[1], Receipt::Taken);
        let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        cluster.request_errors(RDKafkaApiKey::Produce, &[denied]);
        let receipts = send(&*sink, &messages(3..4));
        assert!(matches!(receipts[0], Receipt::Paused { .. }), "{receipts:?}");
        // Whatever that did to the client, the next batch has one that works.
        send_all(&*sink, &messages(3..5));
    }

    #[test]
    fn a_client_that_can_vouch_for_nothing_is_replaced() {
        let cluster = cluster(1);
        let sink = to(&cluster, "PT10S");
        send_all(&*sink, &messages(0..1));
        let fatal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        cluster.request_errors(RDKafkaApiKey::Produce, &[fatal]);
        kept(&*sink, &messages(1..3));
        send_all(&*sink, &messages(1..3));
    }
}
