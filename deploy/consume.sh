#!/usr/bin/env bash
# consume TOPIC [ARGS…]: kafka-console-consumer with keys, and values as JSON. A topic without a dot gets the prefix.
set -euo pipefail
topic=${1:?usage: consume TOPIC [arguments of kafka-console-consumer, such as --from-beginning --max-messages 5]}
shift
[[ $topic == *.* ]] || topic=${TOPIC_PREFIX:-windfarm.}$topic
properties=(print.key=true)
case $topic in *dead-letters | *late-readings) properties+=(print.headers=true) ;; esac
case $topic in
  *dead-letters) ;; # may be anything at all, and a deserializer that fails ends the consumer
  *) properties+=(
    value.deserializer=io.apicurio.registry.serde.avro.AvroKafkaDeserializer
    "value.deserializer.apicurio.registry.url=$REGISTRY_URL"
    value.deserializer.apicurio.registry.as-confluent=true
    value.deserializer.apicurio.registry.use-id=contentId) ;;
esac
exec /opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server "$KAFKA_BOOTSTRAP_SERVERS" --topic "$topic" \
  --isolation-level read_committed "${properties[@]/#/--formatter-property=}" "$@"
