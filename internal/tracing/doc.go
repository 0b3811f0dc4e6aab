// Package tracing sends spans to an OpenTelemetry collector, by OTLP over HTTP, as the standard OTEL_* variables say. Programs use it;
// gateways and workers know the API of OpenTelemetry alone, and are given a provider.
package tracing
