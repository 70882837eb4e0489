package storage

import (
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/gateway"
)

// uploadTokenLife is how long a signed upload can be used.
const uploadTokenLife = 2 * time.Hour

const maxSignMany = 1000

// signObject makes a URL that reads an object without a token of one's own.
func (c *call) signObject() error {
	f, err := readJSON(c.w, c.r)
	if err != nil {
		return err
	}
	f.require("expiresIn")
	expiresIn := f.integer("expiresIn", 0, 1)
	var t transform
	if inner := f.object("transform"); inner != nil {
		t = inner.transform()
		f.join(inner)
	}
	if f.err != nil {
		return f.err
	}
	if err := c.h.checkExpiry(expiresIn); err != nil {
		return err
	}
	if err := checkBucketName(c.bucket); err != nil {
		return err
	}
	if _, err := c.findObject(c.asUserReading(), sentColumns); err != nil {
		return err
	}
	url, err := c.signedImageURL(t, expiresIn)
	if err != nil {
		return err
	}
	return writeJSON(c.w, struct {
		SignedURL string `json:"signedURL"`
	}{url})
}

func (c *call) signedURL(key string, expiresIn int64) (string, error) {
	token, err := c.h.signDownload(downloadToken{URL: c.bucket + "/" + key}, expiresIn)
	if err != nil {
		return "", err
	}
	return "/object/sign/" + c.bucket + "/" + key + "?token=" + token, nil
}

// signedImageURL is signedURL for the object of the path, transformed where
// images are and t asks for it.
func (c *call) signedImageURL(t transform, expiresIn int64) (string, error) {
	if !c.h.images.Enabled {
		return c.signedURL(c.key, expiresIn)
	}
	claims := downloadToken{
		Transformations: strings.Join(t.segments(c.h.images.ImageLimits, true), ","), Format: t.format, URL: c.bucket + "/" + c.key,
	}
	token, err := c.h.signDownload(claims, expiresIn)
	if err != nil {
		return "", err
	}
	path := "/object"
	if claims.Transformations != "" {
		path = "/render/image"
	}
	return path + "/sign/" + claims.URL + "?token=" + token, nil
}

// signedPath is one answer of signObjects.
type signedPath struct {
	Error     *string `json:"error"`
	Path      string  `json:"path"`
	SignedURL *string `json:"signedURL"`
}

// signObjects is signObject for many keys; one that is missing is told beside
// the others.
func (c *call) signObjects() error {
	f, err := readJSON(c.w, c.r)
	if err != nil {
		return err
	}
	f.require("expiresIn", "paths")
	expiresIn := f.integer("expiresIn", 0, 1)
	paths := f.texts("paths")
	f.count("paths", len(paths), 1, maxSignMany)
	if f.err != nil {
		return f.err
	}
	if err := c.h.checkExpiry(expiresIn); err != nil {
		return err
	}
	if err := checkBucketName(c.bucket); err != nil {
		return err
	}
	visible, err := c.findMany(paths)
	if err != nil {
		return err
	}
	missing := "Either the object does not exist or you do not have access to it"
	all := make([]signedPath, len(paths))
	for i, p := range paths {
		all[i].Path = p
		if !visible[p] {
			all[i].Error = &missing
			continue
		}
		url, err := c.signedURL(p, expiresIn)
		if err != nil {
			return err
		}
		all[i].SignedURL = &url
	}
	return writeJSON(c.w, all)
}

// findMany says which of the keys the caller can see.
func (c *call) findMany(keys []string) (map[string]bool, error) {
	visible := make(map[string]bool, len(keys))
	res, err := c.query(c.ctx(), c.asUser(), sql(
		`select name from storage.objects where bucket_id = $1 and name = any ($2::text[])`,
		c.bucket, storableOnly(append([]string{}, keys...))))
	if err != nil {
		return nil, err
	}
	for _, r := range res[0] {
		visible[r.text(0)] = true
	}
	return visible, nil
}

// downloadSigned answers an object to whoever has a token for it: permission
// was asked for when the URL was signed.
func (c *call) downloadSigned() error {
	claims, err := c.readSigned(scopeDownload)
	if err != nil {
		return err
	}
	return c.send(c.findSigned, expiresAt(claims))
}

// expiresAt is a token's expiry as an HTTP date, "" without one.
func expiresAt(claims *gateway.Claims) string {
	if claims.ExpiresAt == nil {
		return ""
	}
	return expiry(*claims.ExpiresAt)
}

// signUpload makes a URL that an object can be uploaded to without a token of
// one's own. Permission is asked for now.
func (c *call) signUpload() error {
	if err := c.checkUnusedBody(false); err != nil {
		return err
	}
	if err := checkBucketName(c.bucket); err != nil {
		return err
	}
	if !storable(c.key) || len(c.key) > maxKeyBytes { // what else is wrong with it the upload is told
		return errInvalidKey(c.key)
	}
	row := newRow{bucket: c.bucket, key: c.key, owner: c.owner()}
	var err error
	if row.user, err = headerMetadata(c.r.Header); err != nil {
		return err
	}
	row.metadata, err = encode(trialMetadata{Mimetype: c.r.Header.Get("Content-Type"), ContentLength: c.declaredLength()})
	if err != nil {
		return err
	}
	upsert := c.wantsUpsert()
	if err := c.mayWrite(c.asUser(), row, upsert); err != nil {
		return err
	}
	now := c.h.now().Unix()
	url := c.bucket + "/" + c.key
	token, err := c.h.signer.SignPlain(uploadToken{
		Owner: c.owner(), URL: url, Upsert: upsert, Scope: scopeUpload, Iat: now, Exp: now + int64(c.h.signLife/time.Second),
	})
	if err != nil {
		return err
	}
	return writeJSON(c.w, struct {
		URL   string `json:"url"`
		Token string `json:"token"`
	}{"/object/upload/sign/" + url + "?token=" + token, token})
}

// uploadSigned stores an object for whoever has a token for it. Who owns it
// and whether it may replace another is in the token.
func (c *call) uploadSigned() error {
	claims, err := c.readSigned(scopeUpload)
	if err != nil {
		return err
	}
	done, err := c.store(c.uploadGrant(claims))
	if err != nil {
		return err
	}
	return writeJSON(c.w, uploaded{Key: done.Key})
}

// uploadGrant is what a signed upload's token grants.
func (c *call) uploadGrant(claims *gateway.Claims) grant {
	m := claims.Map()
	g := grant{settings: c.asService()}
	g.upsert, _ = m["upsert"].(bool)
	if owner, _ := m["owner"].(string); owner != "" {
		g.owner = &owner
	}
	return g
}
