// Package chart holds the Helm chart of deploy/helm against Helm's own linter and renderer, and what it renders against Kubernetes'
// types. It is in a module of its own, so that nobody who builds Patchbay needs Helm and Kubernetes.
package chart
