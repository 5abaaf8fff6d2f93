#!/usr/bin/env bash
# CLASSPATH first, as in the public image's script: what is mounted or copied there wins.
exec java ${KAFKA_HEAP_OPTS:--Xmx256M} ${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto} \
  -Dorg.slf4j.simpleLogger.defaultLogLevel="${KAFKA_LOG_LEVEL:-warn}" ${KAFKA_OPTS:-} -cp "${CLASSPATH:+$CLASSPATH:}/opt/kafka/libs/*" "$@"
