package veleta.peer;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * One-minute windows by turbine, closed ten seconds after their end by the partition's stream time, then merged to the
 * farm's. By the Processor API, since a DSL aggregate of a farm would write all its turbines anew with each reading.
 *
 * <p>The store's keys begin with the window's start, so that what is due lies together.
 */
final class Windows implements Processor<byte[], Reading, String, byte[]> {
    static final String STORE = "summaries";
    static final String FARMS = "farm-windows";
    static final String TURBINES = "turbine-windows";
    private static final long SIZE = 60_000;
    private static final long GRACE = 10_000;
    private static final byte END = 0;

    private ProcessorContext<String, byte[]> context;
    private KeyValueStore<Bytes, Summary> store;
    private final Encoder encoder = new Encoder();
    /** No open window starts before this; the farthest there is while none is known. */
    private long firstStart = Long.MAX_VALUE;

    @Override
    public void init(ProcessorContext<String, byte[]> context) {
        this.context = context;
        store = context.getStateStore(STORE);
        try (KeyValueIterator<Bytes, Summary> all = store.all()) {
            if (all.hasNext()) {
                firstStart = startOf(all.peekNextKey());
            }
        }
    }

    @Override
    public void process(Record<byte[], Reading> record) {
        Reading reading = record.value();
        long start = Math.floorDiv(record.timestamp(), SIZE) * SIZE;
        long streamTime = context.currentStreamTimeMs();
        if (start + SIZE + GRACE > streamTime) {
            Bytes key = key(start, reading.farm(), reading.turbine());
            Summary summary = store.get(key);
            if (summary == null) {
                summary = new Summary();
                firstStart = Math.min(firstStart, start);
            }
            summary.add(reading);
            store.put(key, summary);
        }
        if (firstStart != Long.MAX_VALUE && firstStart + SIZE + GRACE <= streamTime) {
            close(Math.floorDiv(streamTime - GRACE, SIZE) * SIZE);
        }
    }

    /** Closes every window that ends there or before. */
    private void close(long until) {
        List<Bytes> closed = new ArrayList<>();
        firstStart = Long.MAX_VALUE;
        try (KeyValueIterator<Bytes, Summary> all = store.all()) {
            String farm = null;
            long start = 0;
            int turbines = 0;
            double energy = Double.NaN;
            Summary merged = null;
            while (all.hasNext()) {
                KeyValue<Bytes, Summary> next = all.next();
                byte[] key = next.key.get();
                long nextStart = startOf(next.key);
                if (nextStart + SIZE > until) {
                    firstStart = nextStart;
                    break;
                }
                int end = 8;
                while (key[end] != END) {
                    end++;
                }
                String nextFarm = new String(key, 8, end - 8, StandardCharsets.UTF_8);
                String turbine = new String(key, end + 1, key.length - end - 1, StandardCharsets.UTF_8);
                if (nextStart != start || !nextFarm.equals(farm)) {
                    if (merged != null) {
                        emitFarm(farm, start, merged, turbines, energy);
                    }
                    farm = nextFarm;
                    start = nextStart;
                    merged = new Summary();
                    turbines = 0;
                    energy = Double.NaN;
                }
                merged.merge(next.value, turbine);
                turbines++;
                double own = next.value.energy(SIZE / 3.6e6);
                energy = Double.isNaN(energy) ? own : Double.isNaN(own) ? energy : energy + own;
                context.forward(
                        new Record<>(farm, encoder.turbine(farm, turbine, start, start + SIZE, next.value, own), start + SIZE),
                        TURBINES);
                closed.add(next.key);
            }
            if (merged != null) {
                emitFarm(farm, start, merged, turbines, energy);
            }
        }
        closed.forEach(store::delete);
    }

    private void emitFarm(String farm, long start, Summary merged, int turbines, double energy) {
        byte[] value = encoder.farm(farm, start, start + SIZE, merged, turbines, energy);
        context.forward(new Record<>(farm, value, start + SIZE), FARMS);
    }

    private static Bytes key(long start, String farm, String turbine) {
        ByteBuffer key = ByteBuffer.allocate(8 + farm.length() + 1 + turbine.length());
        key.putLong(start).put(farm.getBytes(StandardCharsets.UTF_8)).put(END).put(turbine.getBytes(StandardCharsets.UTF_8));
        return Bytes.wrap(key.array());
    }

    private static long startOf(Bytes key) {
        return ByteBuffer.wrap(key.get()).getLong();
    }
}
