package veleta.peer;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.AutoOffsetReset;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.Stores;

/**
 * {@code Main BROKERS TOPIC PARTITIONS RECORDS APPLICATION memory|rocksdb exactly_once_v2|at_least_once STATE_FOLDER}: reads
 * the topic to its end. Tells on standard output when it has warmed up on a third of the records, and when it has processed
 * all; ends when standard input does.
 */
public final class Main {
    public static void main(String[] args) throws Exception {
        String brokers = args[0];
        String topic = args[1];
        int partitions = Integer.parseInt(args[2]);
        long records = Long.parseLong(args[3]);
        String application = args[4];
        boolean inMemory = args[5].equals("memory");
        String guarantee = args[6];

        String farms = application + "-" + Windows.FARMS;
        String turbines = application + "-" + Windows.TURBINES;
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", brokers))) {
            admin.createTopics(List.of(new NewTopic(farms, partitions, (short) 1), new NewTopic(turbines, partitions, (short) 1)))
                    .all().get();
        }

        KafkaStreams streams = new KafkaStreams(topology(topic, farms, turbines, inMemory), settings(brokers, application, guarantee, args[7]));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
        });
        streams.start();
        List<? extends Metric> processed = streams.metrics().values().stream()
                .filter(metric -> metric.metricName().name().equals("process-total")
                        && metric.metricName().group().equals("stream-thread-metrics"))
                .toList();
        tell("working", until(processed, records / 3));
        tell("done", until(processed, records));
        while (System.in.read() >= 0) {
            // until the other side has asked the kernel about us
        }
        streams.close(Duration.ofSeconds(20));
    }

    private static Topology topology(String topic, String farms, String turbines, boolean inMemory) {
        KeyValueBytesStoreSupplier store =
                inMemory ? Stores.inMemoryKeyValueStore(Windows.STORE) : Stores.persistentKeyValueStore(Windows.STORE);
        return new Topology()
                // the event's time is the record's
                .addSource(AutoOffsetReset.earliest(), "readings", (record, before) -> ((Reading) record.value()).eventTime() / 1_000,
                        new ByteArrayDeserializer(), new Reading.Reader(), topic)
                .addProcessor("windows", Windows::new, "readings")
                // cached, so that the change log gets a window once for each commit and not with each reading
                .addStateStore(Stores.keyValueStoreBuilder(store, Serdes.Bytes(), Summary.serde()).withCachingEnabled(), "windows")
                .addSink(Windows.FARMS, farms, new StringSerializer(), new ByteArraySerializer(), "windows")
                .addSink(Windows.TURBINES, turbines, new StringSerializer(), new ByteArraySerializer(), "windows");
    }

    private static Properties settings(String brokers, String application, String guarantee, String folder) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1_000);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        // every open window of every turbine fits
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 << 20);
        // what a thread is given is known soon
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG), 500);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        return settings;
    }

    private static long until(List<? extends Metric> processed, long wanted) throws InterruptedException {
        while (true) {
            long now = processed.stream().mapToLong(metric -> ((Double) metric.metricValue()).longValue()).sum();
            if (now >= wanted) {
                return now;
            }
            Thread.sleep(5);
        }
    }

    private static void tell(String what, long records) {
        System.out.println(what + " " + records);
        System.out.flush();
    }

    private Main() {}
}
