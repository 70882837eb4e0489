package storage

import (
	"encoding/json"
)

// objectInfo is what the info routes tell of an object.
type objectInfo struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Version      *string         `json:"version"`
	BucketID     string          `json:"bucket_id"`
	Size         *int64          `json:"size"`
	ContentType  *string         `json:"content_type"`
	CacheControl *string         `json:"cache_control"`
	ETag         *string         `json:"etag"`
	Metadata     json.RawMessage `json:"metadata"`
	LastModified *string         `json:"last_modified"`
	CreatedAt    *string         `json:"created_at"`
}

func (c *call) info() error { return c.sendInfo(c.findReadable) }

func (c *call) infoPublic() error { return c.sendInfo(c.findInPublic) }

func (c *call) sendInfo(find finder) error {
	t, err := c.queryTransform()
	if err != nil {
		return err
	}
	o, err := find(allColumns)
	if err != nil {
		return err
	}
	i := objectInfo{
		ID: o.id, Name: o.name, Version: known(o.version), BucketID: o.bucketID,
		ContentType: known(o.meta.mimetype), CacheControl: known(o.meta.cacheControl), ETag: known(o.meta.etag),
		Metadata: o.user, LastModified: known(apiTime(o.updated)), CreatedAt: known(apiTime(o.created)),
	}
	if o.meta.size >= 0 {
		i.Size = &o.meta.size
	}
	c.cacheHeaders(c.w.Header(), o, "")
	t.tell(c.w.Header(), c.h.images.ImageLimits)
	return writeJSON(c.w, i)
}

// known is a text, nil when it is empty.
func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
