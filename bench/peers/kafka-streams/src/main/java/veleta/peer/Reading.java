package veleta.peer;

import java.io.IOException;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;

/** One report of one turbine. A metric that is not there is NaN. */
record Reading(String farm, String turbine, long eventTime, double[] metrics) {
    static final int METRICS = 8;

    /** Which metrics are averaged as directions. */
    static final boolean[] DIRECTION = {false, true, false, false, false, false, true, false};

    /** The index of active power. */
    static final int POWER = 2;

    /** Confluent's frame: a zero and the schema's id. */
    static final int FRAME = 5;

    /** Straight code over Avro's decoder: no generic record, no boxing. All stream threads share it. */
    static final class Reader implements Deserializer<Reading> {
        private final ThreadLocal<BinaryDecoder> decoders = new ThreadLocal<>();

        @Override
        public Reading deserialize(String topic, byte[] bytes) {
            try {
                BinaryDecoder decoder =
                        DecoderFactory.get().binaryDecoder(bytes, FRAME, bytes.length - FRAME, decoders.get());
                decoders.set(decoder);
                String farm = decoder.readString();
                String turbine = decoder.readString();
                long eventTime = decoder.readLong();
                if (decoder.readIndex() == 1) {
                    decoder.readLong(); // sequence
                }
                double[] metrics = new double[METRICS];
                for (int metric = 0; metric < METRICS; metric++) {
                    metrics[metric] = decoder.readIndex() == 1 ? decoder.readDouble() : Double.NaN;
                }
                return new Reading(farm, turbine, eventTime, metrics);
            } catch (IOException error) {
                throw new SerializationException("not a reading", error);
            }
        }
    }
}
