// Package s3 tests the server with programs of others that speak S3: a client
// for the protocol it answers, and a server for the bucket that it keeps its
// files in. It is a module of its own, so that what these need is no dependency
// of the product.
package s3
