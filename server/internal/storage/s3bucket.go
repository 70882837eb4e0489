package storage

import "net/http"

func (c *call) s3ListBuckets() error {
	res, err := c.query(c.ctx(), c.asUser(), sql(
		`select name, `+isoTime("created_at")+` from storage.buckets order by name collate "C"`))
	if err != nil {
		return err
	}
	d := newXML("ListAllMyBucketsResult")
	if len(res[0]) == 0 {
		d.text("Buckets", "")
		return c.writeXML(d)
	}
	d.open("Buckets")
	for _, r := range res[0] {
		d.open("Bucket")
		d.text("Name", r.text(0))
		d.some("CreationDate", r.text(1))
		d.close("Bucket")
	}
	d.close("Buckets")
	return c.writeXML(d)
}

func (c *call) s3CreateBucket() error {
	if err := checkNewBucketName(c.bucket); err != nil {
		return err
	}
	if err := c.insertBucket(c.bucket, c.bucket, c.r.Header.Get("X-Amz-Acl") == "public-read", bucketLimits{}); err != nil {
		return err
	}
	c.w.Header().Set("Location", "/"+c.bucket)
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func (c *call) s3HeadBucket() error {
	if err := c.seesBucket(); err != nil {
		return err
	}
	c.w.Header().Set("X-Amz-Bucket-Region", c.h.s3.Region)
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// seesBucket refuses a caller to whom the bucket is hidden.
func (c *call) seesBucket() error {
	if !storable(c.bucket) {
		return errNoSuchBucket()
	}
	r, err := c.one(c.ctx(), c.asUser(), sql(`select id from storage.buckets where id = $1`, c.bucket))
	if err == nil && r == nil {
		return errNoSuchBucket()
	}
	return err
}

func (c *call) s3DeleteBucket() error {
	if err := c.removeBucket(); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) s3BucketLocation() error {
	if err := c.seesBucket(); err != nil {
		return err
	}
	d := newXML("LocationConstraint")
	d.b.WriteString(xmlText(c.h.s3.Region))
	return c.writeXML(d)
}

func (c *call) s3BucketVersioning() error {
	if err := c.seesBucket(); err != nil {
		return err
	}
	d := newXML("VersioningConfiguration")
	d.text("Status", "Suspended")
	d.text("MfaDelete", "Disabled")
	return c.writeXML(d)
}
