#!/usr/bin/env bash
# One script for each command-line tool.
T=org.apache.kafka.tools
while read -r name class; do
  printf '#!/usr/bin/env bash\nexec /opt/kafka/bin/kafka-run-class.sh %s "$@"\n' "$class" >"/opt/kafka/bin/$name.sh"
  chmod 755 "/opt/kafka/bin/$name.sh"
done <<END
kafka-topics $T.TopicCommand
kafka-configs kafka.admin.ConfigCommand
kafka-storage kafka.tools.StorageTool
kafka-console-producer $T.ConsoleProducer
kafka-console-consumer $T.consumer.ConsoleConsumer
kafka-consumer-groups $T.consumer.group.ConsumerGroupCommand
kafka-get-offsets $T.GetOffsetShell
kafka-transactions $T.TransactionsCommand
END
