package veleta.peer;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;

/** FarmWindow.avsc and TurbineWindow.avsc, framed. Ids are plain ASCII. */
final class Encoder {
    /** The registry is not asked: nobody reads what a benchmark writes. */
    private static final byte[] FRAME = {0, 0, 0, 0, 1};

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(2_048);
    private BinaryEncoder out;

    byte[] farm(String farm, long start, long end, Summary summary, int turbines, double energy) {
        try {
            begin(farm);
            return figures(start, end, summary, turbines, energy, null);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    byte[] turbine(String farm, String turbine, long start, long end, Summary summary, double energy) {
        try {
            begin(farm);
            out.writeString(turbine);
            return figures(start, end, summary, 1, energy, turbine);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private void begin(String farm) throws IOException {
        bytes.reset();
        bytes.write(FRAME);
        out = EncoderFactory.get().binaryEncoder(bytes, out);
        out.writeString(farm);
    }

    private byte[] figures(long start, long end, Summary summary, int turbines, double energy, String turbine)
            throws IOException {
        out.writeLong(start * 1_000);
        out.writeLong(end * 1_000);
        out.writeEnum(0); // STREAM_TIME
        out.writeLong(summary.readings);
        out.writeLong(0); // duplicates are not looked for
        out.writeLong(0);
        out.writeLong(turbines);
        if (Double.isNaN(energy)) {
            out.writeIndex(0);
        } else {
            out.writeIndex(1);
            out.writeDouble(energy);
        }
        for (int metric = 0; metric < Reading.METRICS; metric++) {
            if (summary.count[metric] == 0) {
                out.writeIndex(0);
                continue;
            }
            out.writeIndex(1);
            out.writeLong(summary.count[metric]);
            out.writeDouble(summary.first[metric]);
            out.writeDouble(summary.second[metric]);
            out.writeDouble(summary.min[metric]);
            out.writeString(turbine == null ? summary.minTurbine[metric] : turbine);
            out.writeLong(summary.minTime[metric]);
            out.writeDouble(summary.max[metric]);
            out.writeString(turbine == null ? summary.maxTurbine[metric] : turbine);
            out.writeLong(summary.maxTime[metric]);
        }
        out.flush();
        return bytes.toByteArray();
    }
}
