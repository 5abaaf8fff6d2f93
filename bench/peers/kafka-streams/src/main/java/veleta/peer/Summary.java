package veleta.peer;

import java.nio.ByteBuffer;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/** What is gathered of one window of one turbine; a farm's is merged of them when the window closes. */
final class Summary {
    private static final int METRICS = Reading.METRICS;

    long readings;
    final long[] count = new long[METRICS];
    /** Mean, or the sum of sines of a direction. */
    final double[] first = new double[METRICS];
    /** Sum of squared differences from the mean, or the sum of cosines. */
    final double[] second = new double[METRICS];
    final double[] min = new double[METRICS];
    final double[] max = new double[METRICS];
    final long[] minTime = new long[METRICS];
    final long[] maxTime = new long[METRICS];
    /** Turbines of the least and the greatest values; only of a farm. */
    final String[] minTurbine = new String[METRICS];
    final String[] maxTurbine = new String[METRICS];

    void add(Reading reading) {
        readings++;
        double[] values = reading.metrics();
        long time = reading.eventTime();
        for (int metric = 0; metric < METRICS; metric++) {
            double value = values[metric];
            if (Double.isNaN(value)) {
                continue;
            }
            long n = ++count[metric];
            if (Reading.DIRECTION[metric]) {
                double radians = Math.toRadians(value);
                first[metric] += Math.sin(radians);
                second[metric] += Math.cos(radians);
            } else {
                double delta = value - first[metric];
                first[metric] += delta / n;
                second[metric] += delta * (value - first[metric]);
            }
            if (n == 1 || value < min[metric] || (value == min[metric] && time < minTime[metric])) {
                min[metric] = value;
                minTime[metric] = time;
            }
            if (n == 1 || value > max[metric] || (value == max[metric] && time < maxTime[metric])) {
                max[metric] = value;
                maxTime[metric] = time;
            }
        }
    }

    /** Takes what another turbine of the farm has gathered. */
    void merge(Summary other, String turbine) {
        readings += other.readings;
        for (int metric = 0; metric < METRICS; metric++) {
            long m = other.count[metric];
            if (m == 0) {
                continue;
            }
            long n = count[metric];
            count[metric] = n + m;
            if (Reading.DIRECTION[metric]) {
                first[metric] += other.first[metric];
                second[metric] += other.second[metric];
            } else if (n == 0) {
                first[metric] = other.first[metric];
                second[metric] = other.second[metric];
            } else {
                double delta = other.first[metric] - first[metric];
                first[metric] += delta * m / (n + m);
                second[metric] += other.second[metric] + delta * delta * n * m / (n + m);
            }
            // turbines come in the order of their ids, so among equals the earlier time wins, then the one that is there
            if (n == 0 || other.min[metric] < min[metric]
                    || (other.min[metric] == min[metric] && other.minTime[metric] < minTime[metric])) {
                min[metric] = other.min[metric];
                minTime[metric] = other.minTime[metric];
                minTurbine[metric] = turbine;
            }
            if (n == 0 || other.max[metric] > max[metric]
                    || (other.max[metric] == max[metric] && other.maxTime[metric] < maxTime[metric])) {
                max[metric] = other.max[metric];
                maxTime[metric] = other.maxTime[metric];
                maxTurbine[metric] = turbine;
            }
        }
    }

    /** Mean power times the window's length, kWh; NaN if no power was told. */
    double energy(double hours) {
        return count[Reading.POWER] == 0 ? Double.NaN : first[Reading.POWER] * hours;
    }

    static Serde<Summary> serde() {
        return Serdes.serdeFrom(new Writer(), new Reader());
    }

    private static final int SIZE = 8 + METRICS * 7 * 8;

    private static final class Writer implements Serializer<Summary> {
        @Override
        public byte[] serialize(String topic, Summary summary) {
            if (summary == null) {
                return null;
            }
            ByteBuffer out = ByteBuffer.allocate(SIZE).putLong(summary.readings);
            for (int metric = 0; metric < METRICS; metric++) {
                out.putLong(summary.count[metric]).putDouble(summary.first[metric]).putDouble(summary.second[metric])
                        .putDouble(summary.min[metric]).putLong(summary.minTime[metric])
                        .putDouble(summary.max[metric]).putLong(summary.maxTime[metric]);
            }
            return out.array();
        }
    }

    private static final class Reader implements Deserializer<Summary> {
        @Override
        public Summary deserialize(String topic, byte[] bytes) {
            if (bytes == null) {
                return null;
            }
            ByteBuffer in = ByteBuffer.wrap(bytes);
            Summary summary = new Summary();
            summary.readings = in.getLong();
            for (int metric = 0; metric < METRICS; metric++) {
                summary.count[metric] = in.getLong();
                summary.first[metric] = in.getDouble();
                summary.second[metric] = in.getDouble();
                summary.min[metric] = in.getDouble();
                summary.minTime[metric] = in.getLong();
                summary.max[metric] = in.getDouble();
                summary.maxTime[metric] = in.getLong();
            }
            return summary;
        }
    }
}
