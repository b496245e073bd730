#!/bin/sh
# Fetches the jars of a Kafka broker into .cache/kafka, through Maven. Idempotent. They are for tests only and never shipped.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
version=${KAFKA_VERSION:-3.9.1}
dest="$root/.cache/kafka"
if [ -f "$dest/.complete" ] && [ "$(cat "$dest/.complete")" = "$version" ]; then
	exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>fireline.test</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/jars"
rm -rf "$dest"
mkdir -p "$dest"
mv "$work/jars"/*.jar "$dest/"
echo "$version" > "$dest/.complete"
