// Package status is the status page of a router: what it knows of the cluster, in a browser, on the internal listener.
//
// Nothing here is as large as the cluster. Counts are the index's own, lists are pages or end at a bound, the largest
// rooms are searched for a part at a time (see router.Top), and gateways are asked for their own numbers once for all who
// look, and only while somebody does.
//
// Whatever clients have named is text: the server gives JSON, and the page sets text and never markup. What changes something
// is a POST of this page itself; docs/security.md says how that is known.
package status
